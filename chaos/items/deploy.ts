/**
 * A deployment platform of the run's own: what is live and what stands beside it, each release with the configuration
 * that it has read when it started. The plan's programs ask it, as they would ask any platform.
 */
import type { Answer, Deed } from '../control.js';
import {
  type Ground,
  type Item,
  lostOf,
  type Meddling,
  programOf,
  type Seen,
  type Standing,
} from './item.js';

const BEFORE = { id: 'blue', version: 'v1.0.0' } as const;
const TARGET = 'v1.0.1';
const THEIRS = { id: 'theirs', version: 'v9.9.9' } as const;

/** What a release read when it started: 0 where the stage has no such source. */
interface InForce {
  file: number;
  secret: number;
}

interface Release {
  id: string;
  version: string;
  url: string;
  inForce: InForce;
}

/** @throws when one of them cannot be read now */
export type ReadSources = () => Promise<InForce>;

export interface DeployItem extends Item {
  /** A probe of what a release has in force. */
  probe: { url: string };
  /** The release of before starts again by itself, whatever its sources say now. */
  restartOld(): Promise<void>;
}

export async function openDeploy(
  ground: Ground,
  stage: string,
  { staged, startsFrom, readSources }: { staged: boolean; startsFrom: string[]; readSources: ReadSources },
): Promise<DeployItem> {
  const name = `${stage}/release`;
  const platform = new Platform(ground, name, staged, readSources);
  await platform.begin();
  const call = (verb: string) => [...programOf(ground, name), verb];
  const verbs = ['status', 'promote', 'retire', 'restart', ...(staged ? ['prepare', 'restore'] : [])];
  const probe = `inForce-${stage}`;
  return {
    step: `${stage}/deploy`,
    config: {
      deploy: {
        command: Object.fromEntries(verbs.map((verb) => [verb, call(verb)])),
        strategy: staged ? 'blueGreen' : 'immediate',
        startsFrom,
        ...(staged ? { beforePromotion: [probe] } : {}),
        afterPromotion: [probe],
        probeTimeout: '8s',
        probeInterval: '300ms',
      },
    },
    probe: { url: '${release:url}' },
    look: async () => platform.look(),
    restartOld: () => platform.restart(BEFORE.id),

    async meddle() {
      await platform.deployTheirs();
    },
    mend: (expected) => platform.begin(expected.includes(THEIRS.id) ? THEIRS : BEFORE),
  };
}

class Platform {
  live: Release = { ...BEFORE, url: '', inForce: { file: 0, secret: 0 } };
  candidate: Release | null = null;
  #before: InForce | undefined;
  #meddling: Meddling | undefined;
  #made = 1;

  constructor(
    private readonly ground: Ground,
    private readonly name: string,
    private readonly staged: boolean,
    private readonly readSources: ReadSources,
  ) {
    ground.control.things.set(name, {
      reading: (verb) => verb === 'status',
      fact: ({ verb }) => verb,
      carryOut: (deed) => this.#carryOut(deed).catch((error) => ({ code: 1, out: String(error) })),
    });
  }

  /** One release is live, alone. */
  async begin(release: Pick<Release, 'id' | 'version'> = BEFORE): Promise<void> {
    this.live = await this.#start(release);
    this.candidate = null;
    this.#before ??= this.live.inForce;
    if (release === BEFORE) this.#meddling = undefined;
  }

  async deployTheirs(): Promise<void> {
    this.#meddling = { same: true, afterOurs: this.live.version === TARGET };
    this.live = await this.#start(THEIRS);
  }

  async restart(id: string): Promise<void> {
    const release = [this.live, this.candidate].find((each) => each?.id === id);
    if (release) release.inForce = await this.readSources();
  }

  look(): Seen {
    const { live, candidate } = this;
    const isOld = live.version === BEFORE.version && candidate === null;
    const isNew = live.version === TARGET && candidate === null;
    // An opaque one that was built upon comes back under another name.
    const isTheirs = live.version === THEIRS.version;
    const inForce = JSON.stringify(live.inForce) === JSON.stringify(this.#before);
    const standing: Standing = isTheirs ? 'theirs' : isOld ? 'before' : isNew ? 'target' : 'broken';
    return {
      standing,
      isAsBefore: isOld && inForce,
      lost: lostOf(this.#meddling, standing),
      what: `live ${live.id} (${live.version}), beside it ${candidate?.id ?? 'nothing'}, in force ${JSON.stringify(live.inForce)}, before ${JSON.stringify(this.#before)}`,
    };
  }

  async #carryOut(deed: Deed): Promise<Answer> {
    switch (deed.verb) {
      case 'status':
        return printed({ live: shown(this.live), candidate: this.candidate && shown(this.candidate) });
      case 'prepare':
        if (this.candidate?.version !== deed.version) {
          this.candidate = await this.#start({ id: this.#newId(), version: deed.version });
        }
        return printed(shown(this.candidate));
      case 'promote':
        return this.staged ? this.#swap(deed.release) : this.#deployWhole(deed.version);
      case 'restore':
        return this.#swap(deed.release);
      case 'retire':
        if (this.live.id === deed.release) return { code: 1, out: 'it is live' };
        if (this.candidate?.id === deed.release) this.candidate = null;
        return printed({});
      default:
        await this.restart(deed.release);
        return printed({});
    }
  }

  #swap(id: string): Answer {
    if (this.live.id === id) return printed({});
    if (this.candidate?.id !== id) return { code: 1, out: `there is no release ${id}` };
    [this.live, this.candidate] = [this.candidate, this.live];
    return printed({});
  }

  async #deployWhole(version: string): Promise<Answer> {
    if (this.live.version !== version) this.live = await this.#start({ id: this.#newId(), version });
    return printed({});
  }

  async #start({ id, version }: { id: string; version: string }): Promise<Release> {
    const release = { id, version, url: this.#pageOf(id), inForce: await this.readSources() };
    const page = () => {
      const { inForce } = [this.live, this.candidate].find((each) => each?.id === id) ?? release;
      return {
        version,
        pool: { limit: inForce.file, active: 1, total: 2, idle: 1, waiting: 0, utilization: 10 },
        config: { secret: inForce.secret },
      };
    };
    this.ground.control.pages.set(new URL(release.url).pathname, page);
    return release;
  }

  #newId(): string {
    this.#made += 1;
    return `release-${this.#made}`;
  }

  #pageOf(id: string): string {
    return `${this.ground.control.url}/${this.ground.application}/${this.name}/${id}`;
  }
}

function shown({ id, version, url }: Release) {
  return { id, version, url };
}

function printed(value: unknown): Answer {
  return { code: 0, out: JSON.stringify(value) };
}
