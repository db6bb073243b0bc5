/** `doctor`: what is reachable, missing, not permitted, and what to do. */
import { ClientError, Headgate } from '../../client.js';
import type { Finding } from '../../contract/activities.js';
import { type Context, EXIT } from '../context.js';
import { renderFindings } from '../render/findings.js';
import { paintIf } from '../render/paint.js';

export interface DoctorOptions {
  /** Registers the search attributes that the namespace lacks. */
  register?: boolean;
}

export async function doctor({ output }: Context, options: DoctorOptions): Promise<number> {
  const findings = [examineNode(), ...(await examineTemporal(options))];
  for (const line of renderFindings(findings, paintIf(output.color))) output.print(line);
  for (const finding of findings) output.line({ type: 'measurement', status: finding.status, data: finding });
  const broken = findings.some(({ status }) => status === 'unreachable' || status === 'missing');
  return broken ? EXIT.infrastructure : 0;
}

function examineNode(): Finding {
  const [major = 0] = process.versions.node.split('.').map(Number);
  const what = 'Node';
  if (major >= 20) return { what, status: 'ok', detail: process.version };
  return {
    what,
    status: 'missing',
    detail: `${process.version} is too old`,
    fix: 'install Node 20 or newer',
  };
}

async function examineTemporal({ register }: DoctorOptions): Promise<Finding[]> {
  let headgate: Headgate;
  try {
    headgate = await Headgate.connect();
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    // It says what to do as well.
    return [{ what: 'Temporal', status: 'unreachable', detail: error.message }];
  }
  try {
    const detail = `${headgate.address}, namespace ${headgate.namespace}`;
    return [
      { what: 'Temporal', status: 'ok', detail },
      await examineSearchAttributes(headgate, register ?? false),
      ...(await examineWorker(headgate)),
    ];
  } finally {
    await headgate.close();
  }
}

/** Without them everything works; with them the UI's list is a dashboard. */
async function examineSearchAttributes(headgate: Headgate, register: boolean): Promise<Finding> {
  const what = 'search attributes';
  try {
    const missing = await headgate.missingSearchAttributes();
    if (missing.length > 0 && register) {
      await headgate.registerSearchAttributes(missing);
      return { what, status: 'ok', detail: `registered: ${missing.join(', ')}` };
    }
    if (missing.length === 0) return { what, status: 'ok', detail: 'all five are registered' };
    return {
      what,
      status: 'warning',
      detail: `not registered: ${missing.join(', ')}; the list in the Temporal UI cannot be filtered by them`,
      fix: 'headgate doctor --register',
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { what, status: 'notPermitted', detail: `the server does not tell: ${why}` };
  }
}

async function examineWorker(headgate: Headgate): Promise<Finding[]> {
  const idle = await headgate.idleQueues();
  if (idle.length > 0) {
    return [
      {
        what: 'worker',
        status: 'missing',
        detail: `nobody polls ${idle.join(' and ')}`,
        fix: 'start one where the credentials are: headgate worker',
      },
    ];
  }
  const ok: Finding = { what: 'worker', status: 'ok', detail: 'both task queues are polled' };
  return [ok, ...(await headgate.examineWorker())];
}
