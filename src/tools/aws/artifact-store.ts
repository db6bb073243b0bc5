/** The artifacts of this machine's settings: its own folder, or a bucket. */
import { ArtifactStore } from '../../platform/artifacts.js';
import type { Redactor } from '../../platform/redaction.js';
import type { Settings } from '../../platform/settings.js';
import { createS3Place } from './s3-artifacts.js';

export function createArtifactStore({ home, artifacts }: Settings, redactor: Redactor): ArtifactStore {
  return new ArtifactStore(artifacts === undefined ? home : createS3Place(artifacts), redactor);
}
