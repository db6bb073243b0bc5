/** Where the program is: terraform as every tool, tofu on PATH. */
import { invalid } from '../../platform/failures.js';
import { findOnPath, resolveTool } from '../../platform/tool-resolver.js';

/** @throws ToolMissingError, or ApplicationFailure `Invalid`, that says what to do */
export async function findInfraTool(
  tool: 'terraform' | 'tofu',
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ path: string }> {
  if (tool === 'terraform') return resolveTool('terraform', { env });
  const path = await findOnPath('tofu', env);
  if (path) return { path };
  throw invalid(
    'tofu is missing: there is none in the PATH of the worker. Install OpenTofu (https://opentofu.org/docs/intro/install) and start the worker again.',
  );
}
