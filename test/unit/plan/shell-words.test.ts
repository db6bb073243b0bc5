/**
 * Commands of a shell in every text of every kind, one after the other: a plan that has them is refused, or they stand
 * in it as they were written, in one piece. What the real tools make of them: test/parts/shell-words.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { parsePlan } from '../../../src/plan/parse.js';
import type { Json } from '../../../src/plan/resolved.js';
import { planSchema } from '../../../src/plan/schema.js';
import { readPlanFiles } from '../../support/plan-files.js';
import { COMMANDS } from '../../support/shell-words.js';

type Path = (string | number)[];

/** Texts that no example has. */
const RARE = `apiVersion: headgate/v1
application: shop
version: v1
deadline: 2h
source: { git: "git@example.com:acme/shop.git", ref: main, directory: plans }
probes:
  up: { http: { url: "http://shop.example.com" }, expect: { path: body, matches: "^ok" } }
stages:
  - name: production
    steps:
      - config: { ssh: { host: app, user: deploy, file: /app/.env }, set: { A: b } }
      - infra: { tofu: infra, vars: { a: b }, undo: { varFiles: [old.tfvars] }, abortGrace: 1m }
      - reboot: { rdsInstance: db, verify: [{ probe: up, interval: 1s, initialDelay: 1s }], probeTimeout: 1m, probeInterval: 1s }
      - git: { directory: "/srv/shop", remote: origin, tag: v1, messageFile: release.md }
      - approval: { identity: ssh, approvers: [ana] }
      - run: { command: [a], undo: [b], verify: [c], timeout: 1m }
      - loadTest: { script: a.js, during: [{ probe: up, interval: 1s, initialDelay: 1s }], expect: { metric: m, path: p, lt: 1 } }
      - deploy:
          kubernetes: { namespace: n, deployment: d, service: s, previewService: p, container: c, url: "http://shop.example.com" }
          strategy: blueGreen
          beforePromotion: [{ probe: up, interval: 1s, initialDelay: 1s }]
          afterPromotion: [{ probe: up, interval: 1s, initialDelay: 1s }]
          probeTimeout: 1m
          probeInterval: 1s
      - id: units
        deploy: { ssh: { host: h, user: u, directory: /app, ref: main, systemd: shop, url: "http://shop.example.com" }, strategy: immediate }
      - id: containers
        deploy: { ssh: { host: h, user: u, directory: /app, compose: shop, url: "http://shop.example.com" }, strategy: immediate }
      - id: workflow
        deploy:
          githubActions:
            { repository: acme/shop, workflow: deploy.yml, token: t, url: "http://shop.example.com", live: { url: "http://shop.example.com", path: a.b } }
          strategy: immediate
      - monitor: { for: 1m, initialDelay: 1s, probes: [{ probe: up, initialDelay: 1s, interval: 1s }] }
`;

/** The short ones first: a place is tried once, and there it costs least. */
const PLANS = [...readPlanFiles(), { path: 'texts that no example has', text: RARE }]
  .sort((a, b) => a.text.length - b.text.length)
  .map(({ path, text }) => ({ path, json: parse(text) as Json }));

/** The same place of another plan is not tried again. */
const tried = new Set<string>();

describe.each(PLANS)('$path', ({ json }) => {
  it('each text: refused at its place, or kept as it is', () => {
    const untried = textsOf(json).filter((path) => !tried.has(nameOf(path)));
    for (const path of untried) {
      tried.add(nameOf(path));
      const text = stringify(withText(json, path));
      const { faults, draft } = parsePlan({ text, file: 'rollout.yaml', overrides: {} });
      const place = path.join('.');
      if (!draft) expect(faults.length, place).toBeGreaterThan(0);
      // What is nowhere belongs to a variable that nothing uses.
      else expect(JSON.stringify(draft).replaceAll(IN_ONE_PIECE, ''), place).not.toContain('touch');
    }
  });
});

const IN_ONE_PIECE = JSON.stringify(COMMANDS).slice(1, -1);

/** Every place of a document where a text stands. */
function textsOf(value: Json, path: Path = []): Path[] {
  if (typeof value === 'string') return [path];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, entry]) =>
    textsOf(entry, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

function withText(value: Json, [first, ...rest]: Path): Json {
  if (first === undefined) return COMMANDS;
  if (Array.isArray(value)) return value.map((entry, at) => (at === first ? withText(entry, rest) : entry));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, entry]) => [key, key === first ? withText(entry, rest) : entry]),
  );
}

it('these plans have a text wherever the schema takes one', () => {
  const known = new Set(PLANS.flatMap(({ json }) => textsOf(json).map(nameOf)));
  const wanted = [...new Set(placesOf(z.toJSONSchema(planSchema, { io: 'input' })).map(nameOf))];
  expect(wanted.length).toBeGreaterThan(100);
  expect(wanted.filter((place) => !known.has(place))).toEqual([]);
});

/** The key of a text and that of the map which holds it. */
function nameOf(path: Path): string {
  return path
    .filter((part) => typeof part === 'string')
    .slice(-2)
    .join('.');
}

/** Where a schema takes a text that is not one of a few words; keys that a plan is free to choose are left out. */
function placesOf(schema: z.core.JSONSchema._JSONSchema, path: Path = []): Path[] {
  if (typeof schema === 'boolean') return [];
  const isText = schema.type === 'string' && schema.const === undefined && schema.enum === undefined;
  const items = schema.items === undefined || Array.isArray(schema.items) ? [] : [schema.items];
  return [
    ...(isText ? [path] : []),
    ...[...items, ...(schema.anyOf ?? [])].flatMap((each) => placesOf(each, path)),
    ...Object.entries(schema.properties ?? {}).flatMap(([key, each]) => placesOf(each, [...path, key])),
  ];
}
