/** The text of a JSON secret, key by key. */
import { invalid } from '../../platform/failures.js';
import { holds, NotAnObjectError, readMembers, removeMember, setMember } from './json-text.js';

export interface SecretTexts {
  /** Keys and raw values. @throws ApplicationFailure `Invalid` that names the secret when it is no JSON object */
  members(id: string, text: string): Map<string, string>;
  /** Does this raw value hold exactly `value`? */
  holds(raw: string | undefined, value: string): boolean;
  /** Every other byte stays. */
  set(text: string, key: string, raw: string): string;
  remove(text: string, key: string): string;
}

export const secretTexts: SecretTexts = { members: membersOf, holds, set: setMember, remove: removeMember };

/** Keys and raw values of a secret's text. @throws ApplicationFailure `Invalid` that says what it is instead */
export function membersOf(id: string, text: string): Map<string, string> {
  try {
    return readMembers(text);
  } catch (error) {
    if (!(error instanceof NotAnObjectError)) throw error;
    throw invalid(
      `Secret ${id} cannot be merged into: ${error.message}. Expected a JSON object such as {"KEY": "value"}.`,
      { reason: 'notAnObject' },
    );
  }
}
