/** The worker's part of `doctor`: what it can reach, lacks and may not do. */
import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import type { Finding, HeadgateActivities } from '../contract/activities.js';
import type { ArtifactStore } from '../platform/artifacts.js';
import type { Capability, Settings } from '../platform/settings.js';
import { isRecord } from './heartbeat.js';

export interface ExamineDeps {
  settings: Settings;
  env: NodeJS.ProcessEnv;
  tools: ExaminedTool[];
  artifacts: Pick<ArtifactStore, 'place'>;
}

/** A program that some kind of step needs. */
export interface ExaminedTool {
  name: string;
  /** What is not possible without it. */
  neededBy: string;
  /** What gets it there. */
  fix: string;
  /** Where it is and how it was found; rejects, saying what to do, when there is none. */
  find: () => Promise<{ path: string; source: string }>;
}

export function createExamineActivities(deps: ExamineDeps) {
  return {
    async examineWorker(): Promise<Finding[]> {
      const findings = await Promise.all([
        ...deps.tools.map(examineTool),
        examineAws(deps),
        examineArtifacts(deps),
        examineSigners(deps),
        ...deps.settings.allowedReferences.map((name) => examineReference(deps, name)),
      ]);
      return [
        ...findings,
        examineTemporalUi(deps),
        ...examineReferenceList(deps),
        ...examineCapabilities(deps),
      ];
    },
  } satisfies Pick<HeadgateActivities, 'examineWorker'>;
}

async function examineSigners({ settings: { allowedSigners } }: ExamineDeps): Promise<Finding> {
  const what = 'allowed signers';
  if (allowedSigners === undefined) {
    const detail = 'none; a plan whose approvals say identity: ssh is refused';
    return { what, status: 'ok', detail };
  }
  try {
    const text = await readFile(allowedSigners, 'utf8');
    const lines = text.split('\n').filter((line) => /^\s*[^#\s]/.test(line)).length;
    return { what, status: 'ok', detail: `${allowedSigners}, ${lines} lines` };
  } catch (error) {
    return {
      what,
      status: 'unreachable',
      detail: error instanceof Error ? error.message : String(error),
      fix: 'name a file that the worker may read in HEADGATE_ALLOWED_SIGNERS; signed approvals cannot be verified without it',
    };
  }
}

async function examineTool({ name: what, neededBy, fix, find }: ExaminedTool): Promise<Finding> {
  try {
    const { path, source } = await find();
    return { what, status: 'ok', detail: `${path} (${source})` };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    // Nothing is wrong with a worker that lacks what no plan of its needs.
    return { what, status: 'warning', detail, fix: `${fix}; only ${neededBy} need it` };
  }
}

/** Where the AWS SDK would look, in its order. */
const AWS_SOURCES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_PROFILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
];

async function examineAws({ env }: ExamineDeps): Promise<Finding> {
  const what = 'AWS credentials';
  const source = AWS_SOURCES.find((name) => env[name]);
  if (source === 'AWS_ACCESS_KEY_ID' && !env.AWS_SECRET_ACCESS_KEY) {
    const fix = "set AWS_SECRET_ACCESS_KEY in the worker's environment too";
    return { what, status: 'missing', detail: 'AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY', fix };
  }
  if (source) return { what, status: 'ok', detail: `from ${source}` };
  const file = env.AWS_SHARED_CREDENTIALS_FILE || join(env.HOME || homedir(), '.aws', 'credentials');
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) return { what, status: 'ok', detail: `from ${file}` };
  return {
    what,
    status: 'warning',
    detail: "none in the environment and no credentials file; on EC2 the instance's role would be used",
    fix: "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the worker's environment",
  };
}

async function examineArtifacts({ artifacts: { place } }: ExamineDeps): Promise<Finding> {
  const what = place.isRemote ? 'artifact bucket' : 'artifact folder';
  try {
    await place.examine();
    return { what, status: 'ok', detail: place.address };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const detail = `${place.address} cannot be written: ${why}`;
    // What it says of a bucket says what to do as well.
    if (place.isRemote) return { what, status: statusOf(error), detail };
    const fix = 'set HEADGATE_HOME of the worker to a folder it may write';
    return { what, status: 'notPermitted', detail, fix };
  }
}

function statusOf(error: unknown): Finding['status'] {
  if (!(error instanceof ApplicationFailure)) return 'unreachable';
  const [details] = error.details ?? [];
  return isRecord(details) && details.reason === 'notFound' ? 'missing' : 'notPermitted';
}

async function examineReference({ env }: ExamineDeps, name: string): Promise<Finding> {
  const what = `reference ${name}`;
  if (!/^[A-Za-z_]\w*$/.test(name)) return { what, status: 'ok', detail: 'allowed as a secret' };
  if (env[name]) return { what, status: 'ok', detail: "allowed, and set in the worker's environment" };
  return {
    what,
    status: 'missing',
    detail: "allowed, but not set in the worker's environment",
    fix: `set ${name} and start the worker again (nothing to do if it names a secret)`,
  };
}

function examineReferenceList({ settings }: ExamineDeps): Finding[] {
  if (settings.allowedReferences.length > 0) return [];
  return [
    {
      what: 'references',
      status: 'notPermitted',
      detail: 'no name is allowed: a plan that uses ${env:…} or ${secret:…} will be stopped',
      fix: 'list the names, by commas, in HEADGATE_ALLOWED_REFERENCES of the worker',
    },
  ];
}

function examineTemporalUi({ settings: { temporalUi } }: ExamineDeps): Finding {
  const what = 'Temporal UI';
  if (temporalUi !== undefined) return { what, status: 'ok', detail: `notices link to ${temporalUi}` };
  return {
    what,
    status: 'warning',
    detail: 'its address is not known, so that notices carry no link to their run',
    fix: 'set HEADGATE_TEMPORAL_UI of the worker to the address that people open',
  };
}

const CAPABILITIES: Record<Capability, string> = {
  command: 'targets and logs by command',
  run: 'run steps',
};

function examineCapabilities({ settings }: ExamineDeps): Finding[] {
  const capabilities: Capability[] = ['command', 'run'];
  return capabilities.map((capability): Finding => {
    const what = `capability ${capability}`;
    if (settings.enabled.includes(capability))
      return { what, status: 'ok', detail: `${CAPABILITIES[capability]} may run` };
    return {
      what,
      status: 'notPermitted',
      detail: `${CAPABILITIES[capability]} are off`,
      fix: `headgate worker --enable ${capability}, if plans may run programs as this worker`,
    };
  });
}
