/** A sandbox of the benchmark's own: a home that is thrown away, ports that are free. */
import { join } from 'node:path';
import { ensureMoto } from '../sandbox/moto.js';
import { resolveTool, type ToolName } from '../src/platform/tool-resolver.js';
import { Product, readEnvFile } from '../test/support/product.js';
import type { Session } from './session.js';

const TOOLS: ToolName[] = ['temporal', 'k6', 'terraform', 'victoria-metrics'];

export interface OwnSandbox {
  /** With what `sandbox.env` holds. */
  product: Product;
  env: Record<string, string>;
}

export async function bringUpSandbox(session: Session): Promise<OwnSandbox> {
  const tools = await provideTools(session);
  session.log('bringing a sandbox up');
  const creating = Product.create(tools);
  session.own(async () => {
    const bare = await creating;
    await bare.run('sandbox', 'down');
    await bare.remove();
  });
  const bare = await creating;
  const up = await bare.run('sandbox', 'up', '--json');
  if (up.code !== 0) throw new Error(`the sandbox did not come up: ${up.stderr}`);
  const env = await readEnvFile(join(bare.home, 'sandbox', 'sandbox.env'));
  return { product: bare.with(env), env };
}

/** From the cache of this machine: the sandbox's own home has none. */
async function provideTools({ log, interrupted: signal }: Session): Promise<Record<string, string>> {
  const paths: Record<string, string> = { HEADGATE_TOOL_MOTO: await ensureMoto({ log, signal }) };
  for (const name of TOOLS) {
    const variable = `HEADGATE_TOOL_${name.toUpperCase().replaceAll('-', '_')}`;
    paths[variable] = (await resolveTool(name, { log, signal })).path;
  }
  return paths;
}
