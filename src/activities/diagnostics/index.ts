/**
 * What a failed release tells is secured before it is stopped: into files beside the rollout's other artifacts,
 * under a manifest with their digests. What cannot be had is named there with the reason; it holds up nothing.
 */
import { createHash } from 'node:crypto';
import type { DiagnosticsInput, HeadgateActivities, Release } from '../../contract/activities.js';
import { clip } from '../../contract/fit.js';
import type { Diagnostics } from '../../contract/progress.js';
import type { ArtifactStore } from '../../platform/artifacts.js';
import type { Redactor } from '../../platform/redaction.js';
import { withHeartbeat } from '../heartbeat.js';
import { type Gathered, gatherDiagnostics, type SourceDeps } from './sources.js';

const MANIFEST = 'manifest.json';
const LONGEST_REASON = 250;

export interface DiagnosticsDeps extends SourceDeps {
  artifacts: Pick<ArtifactStore, 'read' | 'write' | 'cite'>;
  redactor: Pick<Redactor, 'redact'>;
  /** Epoch ms. */
  now: () => number;
}

/** `manifest.json`. */
export interface DiagnosticsManifest {
  application: string;
  runId: string;
  stage: string;
  release: Release;
  /** ISO 8601. */
  collectedAt: string;
  /** Hex digests of what was written. */
  files: { name: string; sha256: string; bytes: number }[];
  missing: { name: string; why: string }[];
}

export function createDiagnosticsActivities(deps: DiagnosticsDeps) {
  return {
    collectDiagnostics: (input) =>
      withHeartbeat(
        () => undefined,
        async (signal) => {
          const earlier = await readEarlier(deps, input);
          return earlier ?? secure(deps, input, await gatherDiagnostics(deps, input, signal));
        },
      ),
  } satisfies Pick<HeadgateActivities, 'collectDiagnostics'>;
}

/** Collected once: what an earlier attempt has secured was closer to the failure than anything that is there now. */
async function readEarlier(deps: DiagnosticsDeps, input: DiagnosticsInput): Promise<Diagnostics | undefined> {
  const text = await deps.artifacts.read(input.context, `${folderOf(input)}/${MANIFEST}`);
  const manifest = text === undefined ? undefined : parseManifest(text);
  // Releases whose ids differ may share a folder: not every character can stand in its name.
  if (text === undefined || manifest?.release.id !== input.release.id) return undefined;
  return describe(deps, input, manifest, createHash('sha256').update(text).digest('hex'));
}

/** Undefined for what is no manifest: then it is written anew. */
function parseManifest(text: string): DiagnosticsManifest | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function secure(
  deps: DiagnosticsDeps,
  input: DiagnosticsInput,
  { files, missing }: Gathered,
): Promise<Diagnostics> {
  const { context, step, release } = input;
  const manifest: DiagnosticsManifest = {
    application: context.application,
    runId: context.runId,
    stage: step.stage,
    release,
    collectedAt: new Date(deps.now()).toISOString(),
    files: [],
    missing: missing.map(({ name, why }) => ({ name, why: clip(deps.redactor.redact(why), LONGEST_REASON) })),
  };
  for (const { name, content } of files) {
    const { sha256, bytes } = await deps.artifacts.write(context, `${folderOf(input)}/${name}`, content);
    manifest.files.push({ name, sha256, bytes });
  }
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  const { sha256 } = await deps.artifacts.write(context, `${folderOf(input)}/${MANIFEST}`, text);
  return describe(deps, input, manifest, sha256);
}

function describe(
  { artifacts }: DiagnosticsDeps,
  input: DiagnosticsInput,
  { stage, release, files, missing }: DiagnosticsManifest,
  manifestSha256: string,
): Diagnostics {
  return {
    stage,
    release: release.id,
    folder: artifacts.cite(input.context, folderOf(input)),
    manifestSha256,
    files: files.map(({ name }) => name),
    missing: missing.map(({ name, why }) => `${name}: ${why}`),
  };
}

/** Relative to the rollout's artifacts. */
function folderOf({ step, release }: DiagnosticsInput): string {
  return `diagnostics/${`${step.stage}-${release.id}`.replace(/[^\w.@-]/g, '_')}`;
}
