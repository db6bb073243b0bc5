/** What an RDS instance is configured to, and whether that is what it runs with. */
import type { Json } from '../../../plan/resolved.js';
import type { Probe, Sample } from '../probe.js';
import { readInTime } from '../reading.js';
import type { Config } from './schema.js';
import { readValue } from './values.js';

interface Instance {
  status: string;
  parameterGroup: string;
  parameterApplyStatus: string;
}

interface Parameter {
  value: string | undefined;
  source: string;
  applyType: string;
}

interface Place {
  instance: string;
  region?: string;
}

/** The part of RDS that this probe needs. Rejects when it cannot tell; `message` says why. */
export interface ParameterReader {
  describeInstance(place: Place): Promise<Instance>;
  readParameter(place: Place & { parameterGroup: string }, name: string): Promise<Parameter | undefined>;
}

export interface RdsParameterProbeDeps {
  rds: ParameterReader;
}

/**
 * Sample: `{ configured, pendingReboot, source, applyType, status, effective?, note? }`. `effective` is there only
 * when the instance is in sync with its parameter group and the value is a plain one; else `note` says why not, and
 * what is expected of it is inconclusive.
 */
export function createRdsParameterProbe({ rds }: RdsParameterProbeDeps): Probe<Config> {
  return {
    kind: 'rdsParameter',
    writes: () => false,
    inForcePaths: () => [],
    async sample({ config: { name, ...place }, ...limits }) {
      const read = await readInTime(limits, async () => {
        const instance = await rds.describeInstance(place);
        const { parameterGroup } = instance;
        return { instance, parameter: await rds.readParameter({ ...place, parameterGroup }, name) };
      });
      if (read.kind !== 'read') return read;
      const { instance, parameter } = read.value;
      if (parameter) return describe(instance, parameter);
      const message = `parameter group ${instance.parameterGroup} has no parameter "${name}"; check its name`;
      return { kind: 'error', message };
    },
  };
}

function describe(instance: Instance, parameter: Parameter): Sample {
  const { parameterApplyStatus, status, parameterGroup } = instance;
  const value = readValue(parameter.value);
  const configured: Json = value.kind === 'plain' ? value.value : (parameter.value ?? null);
  const { source, applyType } = parameter;
  const pendingReboot = parameterApplyStatus === 'pending-reboot';
  const known = { configured, pendingReboot, source, applyType, status };
  if (parameterApplyStatus !== 'in-sync') {
    const note = `not known: parameter group ${parameterGroup} is ${parameterApplyStatus}`;
    return { kind: 'sample', value: { ...known, note } };
  }
  if (value.kind === 'unknown') return { kind: 'sample', value: { ...known, note: value.why } };
  return { kind: 'sample', value: { ...known, effective: value.value } };
}
