/** The workflow types of the bundle. */
export { examine } from './examine.js';
export { lock } from './lock.js';
export { preview } from './preview.js';
export { rollout } from './rollout.js';
