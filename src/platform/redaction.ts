/** Takes known secret values out of everything that leaves the worker. */
import type { Json } from '../plan/resolved.js';

const MASK = '[redacted]';
/** A shorter value would black out half of every log; it is kept out by never being written. */
const SHORTEST_VALUE = 6;
/** The lines of a key or certificate appear one by one in logs. */
const SHORTEST_LINE = 16;

/** Knows the values it was told and their JSON, URL and base64 forms. Values below 6 characters are ignored. */
export class Redactor {
  readonly #forms = new Set<string>();
  #pattern: RegExp | undefined;

  /** From now on `value`, its lines and the password of a URL are masked, in every form. */
  add(value: string): void {
    for (const part of secretParts(value)) {
      for (const form of formsOf(part)) this.#forms.add(form);
    }
    this.#pattern = undefined;
  }

  redact(text: string): string {
    if (this.#forms.size === 0) return text;
    return text.replace(this.#compiled(), MASK);
  }

  /** Masks strings and keys; anything else stays as it is. */
  redactJson<T extends Json>(value: T): T;
  redactJson(value: Json): Json {
    if (typeof value === 'string') return this.redact(value);
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map((entry) => this.redactJson(entry));
    return Object.fromEntries(
      Object.entries(value).map(([key, entry]) => [this.redact(key), this.redactJson(entry)]),
    );
  }

  #compiled(): RegExp {
    if (this.#pattern) return this.#pattern;
    const longestFirst = [...this.#forms].sort((a, b) => b.length - a.length);
    this.#pattern = new RegExp(longestFirst.map(escapeForRegExp).join('|'), 'g');
    return this.#pattern;
  }
}

function secretParts(value: string): string[] {
  const lines = value.includes('\n')
    ? value.split(/\r?\n/).filter((line) => line.length >= SHORTEST_LINE)
    : [];
  const parts = [value, ...lines, ...urlPasswords(value), ...secretsInside(value)];
  return parts.filter((part) => part.length >= SHORTEST_VALUE);
}

/** Other values of a JSON secret are words of everyday (a stage, a region), which must not be masked in every log. */
const SECRET_KEY = /pass|pwd|secret|token|key|credential|auth/i;

/** Who refers to a whole JSON secret hands its values on one by one. */
function secretsInside(value: string): string[] {
  if (!value.trimStart().startsWith('{')) return [];
  try {
    return valuesOf(JSON.parse(value), false);
  } catch {
    return [];
  }
}

function valuesOf(json: Json, isSecret: boolean): string[] {
  if (json === null || typeof json === 'boolean') return [];
  if (typeof json !== 'object') {
    const text = String(json);
    return [...(isSecret ? [text] : []), ...urlPasswords(text)];
  }
  if (Array.isArray(json)) return json.flatMap((entry) => valuesOf(entry, isSecret));
  return Object.entries(json).flatMap(([key, entry]) => valuesOf(entry, isSecret || SECRET_KEY.test(key)));
}

/** Drivers report a connection URL's password without the URL around it. */
function urlPasswords(value: string): string[] {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return [];
  try {
    const { password } = new URL(value);
    return [password, decodeURIComponent(password)];
  } catch {
    return [];
  }
}

function formsOf(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1);
  const url = encodeURIComponent(value.toWellFormed());
  const form = new URLSearchParams([['v', value]]).toString().slice(2);
  return [
    value,
    json,
    JSON.stringify(json).slice(1, -1),
    url,
    url.replace(/%[0-9A-F]{2}/g, (octet) => octet.toLowerCase()),
    form,
    ...base64Forms(value),
  ];
}

/** The characters of a base64 text that `value` alone decides, for each of the three places it can start at. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8');
  return [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const from = Math.ceil((offset * 8) / 6);
    const to = Math.floor(((offset + bytes.length) * 8) / 6);
    const own = encoded.slice(from, to);
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
