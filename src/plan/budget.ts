/** Do the pools of all releases that are alive at once fit into the database? Pure. */

export interface BudgetRelease {
  name: string;
  /** Connections that one replica's pool may open. */
  poolLimit: number;
  /** Those that a surge adds included. */
  replicas: number;
}

export interface BudgetQuestion {
  /** Every release alive at once, the new one last. */
  releases: BudgetRelease[];
  /** Other clients of the same server. */
  otherConnections: number;
  /** `superuser_reserved_connections` and the like. */
  reserved: number;
  /** The server's `max_connections` in force, not the one configured. */
  effectiveMaximum: number;
}

export interface BudgetAnswer {
  used: number;
  /** One sentence with the figures; absent when it fits. */
  fault?: string;
  /** What will not fit at the next deploy, when the new release stands beside its successor. */
  warnings: string[];
}

/** Σ (own pool limit × replicas) + others + reserved ≤ effective maximum. */
export function computeBudget(question: BudgetQuestion): BudgetAnswer {
  const { releases, effectiveMaximum } = question;
  const used = sumUp(releases, question);
  const fault =
    used > effectiveMaximum
      ? `${describe(releases, question)} = ${used} connections, but the database takes ${effectiveMaximum} (max_connections in force). Lower a pool limit or raise max_connections first.`
      : undefined;
  return { used, fault, warnings: warnOfNextDeploy(question) };
}

function warnOfNextDeploy(question: BudgetQuestion): string[] {
  const newest = question.releases.at(-1);
  if (!newest) return [];
  const next = [newest, { ...newest, name: 'its successor' }];
  const used = sumUp(next, question);
  if (used <= question.effectiveMaximum) return [];
  return [
    `At the next deploy ${describe(next, question)} = ${used} connections will not fit into ${question.effectiveMaximum} (max_connections in force). Raise max_connections or lower the pool limit before then.`,
  ];
}

function sumUp(releases: BudgetRelease[], { otherConnections, reserved }: BudgetQuestion): number {
  return releases.reduce(
    (sum, { poolLimit, replicas }) => sum + poolLimit * replicas,
    otherConnections + reserved,
  );
}

function describe(releases: BudgetRelease[], { otherConnections, reserved }: BudgetQuestion): string {
  const parts = releases.map(({ name, poolLimit, replicas }) =>
    replicas === 1 ? `${poolLimit} of ${name}` : `${replicas} × ${poolLimit} of ${name}`,
  );
  return [...parts, `${otherConnections} of other clients`, `${reserved} reserved`].join(' + ');
}
