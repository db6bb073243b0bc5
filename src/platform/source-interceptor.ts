/** Every activity of a plan with a source gets the files of this worker's own checkout, in one place. */
import { Context } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import type { ActivityName, RolloutContext } from '../contract/activities.js';
import type { PinnedSource, ResolvedStep } from '../plan/resolved.js';
import { invalid } from './failures.js';
import { SourceError, type Sources } from './sources.js';

const BEAT_EVERY_MS = 1000;

/** What is known of any activity's input. */
interface Input {
  context?: RolloutContext;
  subject?: { context: RolloutContext };
  step?: ResolvedStep;
}

export class SourceInterceptor implements ActivityInboundCallsInterceptor {
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  async execute(
    call: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    // The contract gives every activity one object, or nothing.
    const [input] = call.args as [Input | undefined];
    const source = (input?.context ?? input?.subject?.context)?.source;
    if (!input || !source || !readsFiles(Context.current().info.activityType, input)) return next(call);
    return next({ ...call, args: [withDirectory(input, await this.#directoryOf(source))] });
  }

  async #directoryOf(source: PinnedSource): Promise<string> {
    try {
      const found = await this.#sources.find(source);
      return found ?? (await beating((signal) => this.#sources.checkOut(source, signal)));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      const message = `${error.message} ${error.fix}`;
      throw error.mayPass ? new Error(message) : invalid(message);
    }
  }
}

const WITHOUT_FILES: ReadonlySet<string> = new Set<ActivityName>([
  'lookSecret',
  'putSecret',
  'verifySecret',
  'undoSecret',
  'settleSecret',
  'lookReboot',
  'rebootInstance',
  'composeEvidence',
  'notify',
  'writeReport',
]);
const DEPLOY_VERBS: ReadonlySet<string> = new Set<ActivityName>([
  'lookRelease',
  'prepareRelease',
  'promoteRelease',
  'restoreTraffic',
  'retireRelease',
  'restartRelease',
  'recreateRelease',
]);
const TARGETS_WITHOUT_FILES: ReadonlySet<string> = new Set(['kubernetes', 'githubActions', 'ssh']);

/**
 * A repository that cannot be reached must not hold up what needs none of its files: who has to be told, and above
 * all the way back.
 */
function readsFiles(activity: string, { step }: Input): boolean {
  if (step?.kind === 'config') return step.config.place.kind === 'local';
  if (step?.kind === 'deploy' && DEPLOY_VERBS.has(activity)) {
    return !TARGETS_WITHOUT_FILES.has(step.config.target);
  }
  return !WITHOUT_FILES.has(activity);
}

function withDirectory(input: Input, directory: string): Input {
  const { context, subject } = input;
  return {
    ...input,
    ...(context && { context: { ...context, directory } }),
    ...(subject && { subject: { ...subject, context: { ...subject.context, directory } } }),
  };
}

/** Repeats what the attempt before has said of itself: it may be all that the activity goes by. */
async function beating<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  const beat = () => context.heartbeat(context.info.heartbeatDetails);
  beat();
  const timer = setInterval(beat, BEAT_EVERY_MS);
  try {
    return await work(context.cancellationSignal);
  } finally {
    clearInterval(timer);
  }
}
