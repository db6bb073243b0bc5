/** Everything that a run is made of, for those who disturb it, answer it and judge it. */
import type { WorkflowHandle } from '@temporalio/client';
import { rolloutWorkflowId } from '../src/contract/messages.js';
import type { Builds } from './builds.js';
import type { Ground } from './items/item.js';
import type { Lane } from './lane.js';
import type { Schedule } from './schedule.js';
import type { World } from './world.js';

export interface Scene {
  schedule: Schedule;
  lane: Lane;
  ground: Ground;
  world: World;
  builds: Builds;
}

export function handleOf({ lane, ground }: Scene): WorkflowHandle {
  return lane.client.workflow.getHandle(rolloutWorkflowId(ground.application));
}
