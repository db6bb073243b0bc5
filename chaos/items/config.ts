/** A dotenv file, of which the plan sets one key. */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Ground, type Item, lostOf, type Meddling, type Seen, standingOf } from './item.js';

const KEY = 'DB_CONNECTION_LIMIT';
const VALUES = { before: '20', target: '50', theirs: '33' } as const;
const OTHERS = '# kept as it is\nexport TOKEN="sto\\"red" # and this\n\nUNICODE=café\n';
const BESIDE = 'COLLEAGUE=beside\n';
const MODE = 0o640;

export interface ConfigItem extends Item {
  limit(): Promise<number>;
  /** Its folder is gone, and a file in its place. */
  bar(): Promise<void>;
  unbar(): Promise<void>;
}

export async function openConfig(ground: Ground, stage: string): Promise<ConfigItem> {
  const folder = join(ground.folder, `etc-${stage}`);
  const file = join(folder, '.env');
  const textOf = (limit: string) => `${KEY}=${limit}\n${OTHERS}`;
  await mkdir(folder);
  await writeFile(file, textOf(VALUES.before));
  await chmod(file, MODE);
  let meddling: Meddling | undefined;
  let barred = false;
  // Beside the folder there is no name that a rollout would look for.
  const away = `${folder}.away`;
  const write = async (text: string) => {
    const at = barred ? join(away, '.env') : file;
    await writeFile(`${at}.theirs`, text, { mode: MODE });
    await chmod(`${at}.theirs`, MODE);
    await rename(`${at}.theirs`, at);
  };
  const unbar = async () => {
    if (!barred) return;
    await rm(folder, { recursive: true, force: true });
    await rename(away, folder);
    barred = false;
  };
  const read = () => readFile(barred ? join(away, '.env') : file, 'utf8');
  return {
    step: `${stage}/config`,
    config: { config: { local: { file }, set: { [KEY]: VALUES.target } } },

    async look(): Promise<Seen> {
      const text = await read();
      const limit = limitOf(text);
      const rest = text.replace(/^.*\n/, '');
      const kept = rest === OTHERS || rest === OTHERS + BESIDE;
      const mode = (await stat(barred ? join(away, '.env') : file)).mode & 0o7777;
      const standing = kept && mode === MODE ? standingOf(limit, VALUES) : 'broken';
      const isGone = meddling && !meddling.same && rest !== OTHERS + BESIDE;
      const beside = (await readdir(barred ? away : folder)).filter((name) => name !== '.env');
      return {
        standing,
        isAsBefore: !barred && text === textOf(VALUES.before) && mode === MODE && beside.length === 0,
        lost: isGone ? "the colleague's line is gone" : lostOf(meddling, standing),
        what: `${file}: ${KEY}=${limit}, other lines ${kept ? 'kept' : 'NOT kept'}, mode ${mode.toString(8)}, beside it ${beside.join(', ') || 'nothing'}`,
      };
    },

    async limit() {
      // A release that starts reads where it always reads.
      return Number(limitOf(await readFile(file, 'utf8')));
    },

    async meddle(same) {
      const text = await read();
      const now = limitOf(text);
      meddling = { same, afterOurs: now === VALUES.target };
      await write(same ? text.replace(`${KEY}=${now}`, `${KEY}=${VALUES.theirs}`) : text + BESIDE);
    },

    async mend(expected) {
      await unbar();
      const before = textOf(VALUES.before);
      const theirs = [before + BESIDE, textOf(VALUES.theirs)].find((text) => isOf(text, expected));
      if (theirs === undefined) meddling = undefined;
      await write(theirs ?? before);
    },

    async bar() {
      if (barred) return;
      barred = true;
      await rename(folder, away);
      await writeFile(folder, 'not a folder\n');
    },

    unbar,
  };
}

/** @param expected begins with the sha256, shortened */
function isOf(text: string, expected: string): boolean {
  const sha256 = createHash('sha256').update(text).digest('hex');
  return sha256.startsWith(/^[0-9a-f]+/.exec(expected)?.[0] ?? 'nothing');
}

function limitOf(text: string): string | undefined {
  return new RegExp(`^${KEY}=(.*)$`, 'm').exec(text)?.[1];
}
