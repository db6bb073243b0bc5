/** A message of the WhatsApp Business webhook, as far as a booking needs it. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

export class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

const schema = z.object({
  entry: z
    .array(
      z.object({
        changes: z
          .array(
            z.object({
              value: z.object({ messages: z.array(z.object({ id: z.string().min(1).max(200) })).min(1) }),
            }),
          )
          .min(1),
      }),
    )
    .min(1),
});

/** `header` is `sha256=<hex>` over the body's very bytes. */
export function verifySignature(header: string | string[] | undefined, body: Buffer, key: string): boolean {
  const expected = Buffer.from(`sha256=${createHmac('sha256', key).update(body).digest('hex')}`);
  const given = Buffer.from(String(header));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** The message's id names the booking: the same message again is the same booking. @throws BadRequest */
export function readBooking(body: Buffer): { reference: string; code: string } {
  const reference = readReference(body);
  const code = createHash('sha256').update(reference).digest('hex').slice(0, 8).toUpperCase();
  return { reference, code: `BK-${code}` };
}

function readReference(body: Buffer): string {
  let message: unknown;
  try {
    message = JSON.parse(body.toString('utf8'));
  } catch {
    throw new BadRequest('the body is no JSON');
  }
  const parsed = schema.safeParse(message);
  const id = parsed.data?.entry[0]?.changes[0]?.value.messages[0]?.id;
  if (id === undefined) throw new BadRequest('the body holds no message with an id');
  return id;
}
