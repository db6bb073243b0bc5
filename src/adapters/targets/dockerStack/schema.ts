import { z } from 'zod';
import { httpUrl, planPath, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    file: planPath(
      'The stack file. It takes ${HEADGATE_VERSION}, or ${HEADGATE_IMAGE} where the step names an image.',
      'docker-stack-production.yml',
    ),
    stack: text('Name of the stack. It has been deployed before.'),
    service: text(
      'The service of the stack that is the application: its image tells the version. The only one when left out.',
    ).optional(),
    env: z
      .record(z.string(), z.string())
      .refine((env) => !Object.keys(env).some(isOfTheProgram), {
        error: 'expected names of variables of the stack file',
        params: {
          code: 'badName',
          expected: 'names of variables of the stack file; these decide which docker runs, and against what',
          fix: 'Take another name, in the stack file as well: no PATH, HOME, TMPDIR or LANG, and none that begins with LD_, DYLD_, DOCKER_, HEADGATE_, SSH_, SSL_, XDG_, GO or ends with _PROXY.',
        },
      })
      .optional()
      .describe('Further variables of the stack file.'),
    url: httpUrl('Where live traffic comes in.').meta({ examples: ['https://shop.example.com'] }),
  })
  .describe('A stack of Docker Swarm. Opaque.');

/**
 * Variables of a stack file come from the environment of the command line, which itself goes by these: by PATH or
 * LD_PRELOAD a plan would run a program of its own with the worker's rights.
 */
function isOfTheProgram(name: string): boolean {
  return /^(PATH|HOME|TMPDIR|LANG|LC_.*|(LD|DYLD|DOCKER|HEADGATE|SSH|SSL|XDG)_.*|GO[A-Z]+|.*_PROXY)$/i.test(
    name,
  );
}

export const traits = {
  strategies: ['rolling', 'immediate'],
  staged: () => false,
  log: () => undefined,
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
