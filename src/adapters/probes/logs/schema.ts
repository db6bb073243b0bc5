import { z } from 'zod';
import { argv, regularExpression, text } from '../../../plan/scalars.js';

const kubernetes = z
  .strictObject({
    context: text("Context of the worker's kubeconfig.").optional(),
    namespace: text('Namespace of the Deployment.'),
    deployment: text('The Deployment whose pods are read.'),
    container: text('Its container; without it the only one.').optional(),
    release: text('The release whose pods are read; without it all pods of the Deployment.')
      .meta({ examples: ['${release:id}'] })
      .optional(),
    previous: z
      .boolean()
      .optional()
      .describe('Reads the process before as well, where one has been restarted.'),
  })
  .describe('The log of the pods of a Deployment.');

const ssh = z
  .strictObject({
    host: text("Host, or its name in the worker's SSH configuration."),
    user: text('Who logs in.').optional(),
    port: z.int().min(1).max(65_535).optional().describe('22 when left out.'),
  })
  .describe('The host where pm2, journald or compose is; the worker itself when left out.');

export const schema = z
  .strictObject({
    pattern: regularExpression('Lines that match are counted.'),
    file: text('A log file on the worker.').optional(),
    command: argv('Prints the log.').optional(),
    kubernetes: kubernetes.optional(),
    pm2: text('Name of the pm2 process.').optional(),
    journald: text('Name of the systemd unit.')
      .meta({ examples: ['shop.service'] })
      .optional(),
    compose: text('Name of the service of docker compose.').optional(),
    directory: text('Where the compose file lies; for compose.').optional(),
    ssh: ssh.optional(),
    comparedTo: z
      .literal('before')
      .optional()
      .describe('Adds rateRatio: lines a minute, against the hour before the change.'),
    follow: z
      .boolean()
      .optional()
      .describe(
        'In a monitor every line is judged as it comes. For file, kubernetes, journald, and pm2 without ssh.',
      ),
  })
  .superRefine((config, context) => {
    // Of a key that is misspelt that is all there is to say.
    const fault = context.issues.length === 0 ? faultOf(config) : undefined;
    if (!fault) return;
    const { expected, fix, path, code = 'oneOf' } = fault;
    context.addIssue({
      code: 'custom',
      message: `expected ${expected}`,
      path,
      params: { code, expected, fix },
    });
  })
  .describe(
    "Log lines that match. Without a source the log is the one of the stage's deploy target. Sample: count, lines, newest, rateRatio.",
  );

export type Config = z.infer<typeof schema>;

const SOURCES = ['file', 'command', 'kubernetes', 'pm2', 'journald', 'compose'] as const;

interface Fault {
  code?: 'noStream';
  expected: string;
  fix: string;
  path: string[];
}

function faultOf(
  config: {
    [Key in (typeof SOURCES)[number] | 'directory' | 'ssh' | 'comparedTo' | 'follow']?: unknown;
  },
): Fault | undefined {
  const sources = SOURCES.filter((source) => config[source] !== undefined);
  const [source] = sources;
  if (sources.length > 1) {
    return {
      expected: `one of ${sources.join(' and ')}`,
      fix: 'Name one source; a second log is a second probe.',
      path: [],
    };
  }
  if (config.directory !== undefined && source !== 'compose') {
    return { expected: 'directory beside compose only', fix: 'Remove directory.', path: ['directory'] };
  }
  if (config.ssh !== undefined && source !== 'pm2' && source !== 'journald' && source !== 'compose') {
    return {
      expected: 'ssh beside pm2, journald or compose only',
      fix: 'Remove ssh, or name what is read there.',
      path: ['ssh'],
    };
  }
  return config.follow === true ? faultOfFollowing(config, source) : undefined;
}

function faultOfFollowing(
  { ssh: host, comparedTo }: { ssh?: unknown; comparedTo?: unknown },
  source: (typeof SOURCES)[number] | undefined,
): Fault | undefined {
  const path = ['follow'];
  if (comparedTo !== undefined) {
    return {
      code: 'noStream',
      expected: 'either follow or comparedTo',
      fix: 'A rate changes without any line: leave follow out, and it is sampled.',
      path,
    };
  }
  if (source === 'command' || source === 'compose' || (source === 'pm2' && host !== undefined)) {
    return {
      code: 'noStream',
      expected: 'a log that can be followed: file, kubernetes, journald, or pm2 without ssh',
      fix: 'Leave follow out, and the log is sampled.',
      path,
    };
  }
  return undefined;
}
