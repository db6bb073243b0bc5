/** `sandbox up | down | status | fault NAME`. */
import { CommandError, type Context, EXIT, type SandboxView, usage } from '../context.js';

export async function sandbox(context: Context, verb: string, name: string | undefined): Promise<number> {
  const { output, loadSandbox, interrupted } = context;
  const world = await loadSandbox();
  switch (verb) {
    case 'up': {
      const view = await failing(() =>
        world.startSandbox({ log: (line) => output.note(line), signal: interrupted }),
      );
      show(context, view, 'up');
      return 0;
    }
    case 'down': {
      const stopped = await world.stopSandbox();
      output.print(stopped ? 'The sandbox is down.' : 'There was no sandbox.');
      output.line({ type: 'outcome', status: 'down', data: { stopped } });
      return 0;
    }
    case 'status': {
      const view = await world.describeSandbox();
      if (view) show(context, view, view.phase);
      else {
        output.print('There is no sandbox. Start one: headgate sandbox up');
        output.line({ type: 'outcome', status: 'down' });
      }
      return view ? 0 : EXIT.infrastructure;
    }
    case 'fault': {
      if (name === undefined) throw usage('Which fault? headgate sandbox fault load|regression|flap|none');
      await world.setFault(name).catch((error: Error) => {
        throw usage(error.message);
      });
      output.print(`fault ${name}: set`);
      output.line({ type: 'outcome', status: 'fault', data: { fault: name } });
      return 0;
    }
    default:
      throw usage(`headgate sandbox takes up, down, status or fault; "${verb}" is none of them.`);
  }
}

async function failing<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CommandError(EXIT.infrastructure, 'sandbox', message);
  }
}

function show({ output }: Context, view: SandboxView, status: string): void {
  const { addresses, parts, environmentFile, logFolder, supervisorPid, error } = view;
  if (view.already) output.note('It was up already.');
  for (const [name, address] of Object.entries(addresses)) output.print(`${name.padEnd(20)} ${address}`);
  for (const { name, pid, readyMs, status: partStatus } of parts) {
    const took = readyMs === undefined ? '' : ` in ${readyMs} ms`;
    output.print(`${name.padEnd(20)} ${partStatus}${took}${pid ? `, pid ${pid}` : ''}`);
  }
  output.print(`logs                 ${logFolder}`);
  output.print(`environment          . ${environmentFile}`);
  if (error) output.note(`It is broken: ${error}`);
  output.line({
    type: 'outcome',
    status,
    data: {
      addresses,
      pids: Object.fromEntries([
        ['supervisor', supervisorPid],
        ...parts.flatMap(({ name, pid }) => (pid ? [[name, pid]] : [])),
      ]),
      logs: {
        folder: logFolder,
        ...Object.fromEntries(parts.flatMap(({ name, log }) => (log ? [[name, log]] : []))),
      },
      environmentFile,
      parts,
      error,
    },
  });
}
