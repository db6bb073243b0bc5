/** What a person types to answer a rollout: the same in the details, at the command line and in every notice. Pure. */
import type { Waiting } from './progress.js';

/** What is asked of a person, as far as a command has to say it. */
export type Asked = Pick<Waiting, 'answers' | 'gate' | 'digest'> & { step?: string; signed?: boolean };

/** @param rollout `application`, or `application/runId` where an old message must not answer a new rollout */
export function commandOf(
  answer: Waiting['answers'][number],
  rollout: string,
  { step, gate, digest, signed }: Asked,
): string {
  switch (answer) {
    case 'approve':
    case 'reject':
      return `headgate ${answer} ${rollout} ${gate} --digest ${digest}${signed ? ' --by NAME --key FILE' : ''}`;
    case 'skip':
      return `headgate skip ${rollout} ${step} --reason TEXT`;
    case 'retry':
      return ['headgate retry', rollout, ...(step === undefined ? [] : [step])].join(' ');
    case 'abort':
    case 'accept':
    case 'resume':
      return `headgate ${answer} ${rollout}`;
  }
}
