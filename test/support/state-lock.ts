/** Remote state as teams have it: an S3 bucket, and a table of locks that outlive whoever took them. */
import { hostname, userInfo } from 'node:os';

export interface LockInfo {
  ID: string;
  Who: string;
  Operation: string;
  Created: string;
}

const BUCKET = 'states';
const TABLE = 'locks';

export const OWN_NAME = `${userInfo().username}@${hostname()}`;

export class RemoteState {
  readonly #url: string;
  #count = 0;
  #key = '';

  static async create(url: string): Promise<RemoteState> {
    const state = new RemoteState(url);
    await fetch(`${url}/${BUCKET}`, { method: 'PUT' });
    await state.#table('CreateTable', {
      KeySchema: [{ AttributeName: 'LockID', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'LockID', AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    return state;
  }

  private constructor(url: string) {
    this.#url = url;
  }

  get backendConfig(): Record<string, string> {
    return {
      bucket: BUCKET,
      key: this.#key,
      region: 'us-east-1',
      dynamodb_table: TABLE,
      use_path_style: 'true',
      skip_credentials_validation: 'true',
      skip_requesting_account_id: 'true',
    };
  }

  /** Another state, which nobody has written or holds. */
  reset(): void {
    this.#key = `app-${this.#count++}.tfstate`;
  }

  async lock(): Promise<LockInfo | undefined> {
    const { Item } = await this.#table('GetItem', { Key: this.#lockKey, ConsistentRead: true });
    return Item?.Info ? JSON.parse(Item.Info.S) : undefined;
  }

  /** As a terraform of somebody else would. */
  async take(info: Partial<LockInfo>): Promise<void> {
    const lock: LockInfo = {
      ID: '11111111-2222-3333-4444-555555555555',
      Who: 'bob@laptop',
      Operation: 'OperationTypeApply',
      Created: new Date(Date.now() - 60_000).toISOString(),
      ...info,
    };
    const text = JSON.stringify({ Info: '', Version: '1.8.5', Path: `${BUCKET}/${this.#key}`, ...lock });
    await this.#table('PutItem', { Item: { ...this.#lockKey, Info: { S: text } } });
  }

  async unlock(): Promise<void> {
    await this.#table('DeleteItem', { Key: this.#lockKey });
  }

  get #lockKey() {
    return { LockID: { S: `${BUCKET}/${this.#key}` } };
  }

  async #table(action: string, body: object): Promise<{ Item?: Record<string, { S: string }> }> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `DynamoDB_20120810.${action}`,
        authorization:
          'AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0',
      },
      body: JSON.stringify({ TableName: TABLE, ...body }),
    });
    if (!response.ok) throw new Error(`${action}: ${response.status} ${await response.text()}`);
    const reply: { Item?: Record<string, { S: string }> } = JSON.parse(await response.text());
    return reply;
  }
}
