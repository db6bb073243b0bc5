/** What the examples of docs/reference find in AWS, put there at an emulator. */
import {
  CloudWatchClient,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceExistsException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { expect } from 'vitest';

export interface ReferenceAws {
  /** Whatever it held before. */
  putSecret(id: string, text: string): Promise<void>;
  expectSecret(id: string, text: string): Promise<void>;
  /** In each of the last minutes. */
  putConnections(value: number): Promise<void>;
  putAlarm(name: string, state: 'OK' | 'ALARM'): Promise<void>;
  close(): void;
}

/** @param region where it is put */
export function createReferenceAws(endpoint: string, region = 'us-east-1'): ReferenceAws {
  const credentials = { accessKeyId: 'testing', secretAccessKey: 'testing' };
  const place = { endpoint, region, credentials };
  const secrets = new SecretsManagerClient(place);
  const cloudwatch = new CloudWatchClient(place);
  return {
    async putSecret(id, text) {
      try {
        await secrets.send(new CreateSecretCommand({ Name: id, SecretString: text }));
      } catch (error) {
        if (!(error instanceof ResourceExistsException)) throw error;
        await secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString: text }));
      }
    },
    async expectSecret(id, text) {
      const current = new GetSecretValueCommand({ SecretId: id, VersionStage: 'AWSCURRENT' });
      expect((await secrets.send(current)).SecretString).toBe(text);
    },
    async putConnections(value) {
      const minutes = [1, 2, 3, 4].map((ago) => new Date(Date.now() - ago * 60_000));
      const datum = {
        MetricName: 'DatabaseConnections',
        Dimensions: [{ Name: 'DBInstanceIdentifier', Value: 'shop-prod' }],
      };
      const MetricData = minutes.map((Timestamp) => ({ ...datum, Timestamp, Value: value }));
      await cloudwatch.send(new PutMetricDataCommand({ Namespace: 'AWS/RDS', MetricData }));
    },
    async putAlarm(name, state) {
      const rule = {
        AlarmName: name,
        EvaluationPeriods: 1,
        Threshold: 50,
        ComparisonOperator: 'GreaterThanThreshold',
      } as const;
      const metric = {
        Namespace: 'AWS/RDS',
        MetricName: 'DatabaseConnections',
        Statistic: 'Maximum',
        Period: 60,
      } as const;
      await cloudwatch.send(new PutMetricAlarmCommand({ ...rule, ...metric }));
      await cloudwatch.send(
        new SetAlarmStateCommand({ AlarmName: name, StateValue: state, StateReason: 'as the test says' }),
      );
    },
    close() {
      secrets.destroy();
      cloudwatch.destroy();
    },
  };
}
