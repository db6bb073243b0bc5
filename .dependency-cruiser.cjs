/** Who may import whom: the house of CONTRIBUTING.md, as rules. */
const rule = (name, from, to, comment) => ({ name, severity: 'error', comment, from, to });
const npm = (...names) => `node_modules/(${names.join('|')})(/|$)`;

module.exports = {
  forbidden: [
    rule(
      'no-circular',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
      'A circle has no ground floor.',
    ),
    rule(
      'plan-is-pure',
      { path: '^src/plan/' },
      {
        pathNot: [
          '^src/plan/',
          '^src/adapters/.*schema\\.ts$',
          '^src/adapters/targets/traits\\.ts$',
          npm('zod', 'yaml'),
          '^(node:)?crypto$',
        ],
      },
      "The plan knows zod, YAML and the adapters' schemas.",
    ),
    rule(
      'schema-files-import-zod-only',
      { path: '^src/adapters/.*schema\\.ts$' },
      {
        pathNot: [npm('zod'), '^src/adapters/.*schema\\.ts$', '^src/plan/scalars\\.ts$'],
        dependencyTypesNot: ['type-only'],
      },
      'Every client loads the schemas; none of them may load a driver.',
    ),
    rule(
      'contract-imports-plan-types',
      { path: '^src/contract/' },
      { pathNot: ['^src/contract/', '^src/plan/'] },
      'The contract is types and constants.',
    ),
    rule(
      'contract-imports-no-plan-values',
      { path: '^src/contract/' },
      { path: '^src/plan/', dependencyTypesNot: ['type-only'] },
      'The contract is types and constants.',
    ),
    rule(
      'workflows-are-deterministic',
      { path: '^src/workflows/' },
      {
        pathNot: [
          '^src/workflows/',
          '^src/contract/',
          '^src/plan/',
          npm('@temporalio/workflow', '@temporalio/common'),
        ],
      },
      'Workflow code sees the contract and the SDK, nothing of Node.',
    ),
    rule(
      'workflows-import-no-plan-values',
      { path: '^src/workflows/' },
      { path: '^src/plan/', dependencyTypesNot: ['type-only'] },
      'A zod value costs the bundle a megabyte.',
    ),
    rule(
      'activities-get-their-instances',
      { path: '^src/activities/' },
      { path: ['^src/(workflows|cli|client|worker)', '^sandbox/'] },
      'Activities are handed what they drive.',
    ),
    rule(
      'activities-take-types-of-adapters-and-tools',
      { path: '^src/activities/' },
      {
        path: '^src/(adapters|tools)/',
        pathNot: 'probes/(judge|loadTest/summary)\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
      'Activities are handed what they drive.',
    ),
    rule(
      'adapters-have-no-siblings',
      { path: '^src/adapters/([^/]+)/([^/]+)/' },
      { path: '^src/adapters/([^/]+)/([^/]+)/', pathNot: '^src/adapters/$1/$2/' },
      'An adapter stands alone.',
    ),
    rule(
      'platform-is-the-ground',
      { path: '^src/platform/' },
      { path: '^src/', pathNot: ['^src/platform/', '^src/contract/', '^src/plan/'] },
      'Everything stands on the platform; it stands on nothing of ours.',
    ),
    rule(
      'cli-speaks-through-the-client',
      { path: '^src/cli/', pathNot: '^src/cli/main\\.ts$' },
      { path: '^(src|sandbox)/', pathNot: ['^src/(cli|contract|plan|platform)/', '^src/client\\.ts$'] },
      'Only main.ts may load the worker or the sandbox, lazily.',
    ),
    rule(
      'nobody-imports-the-cli',
      { path: '^(src|sandbox)/', pathNot: '^src/cli/' },
      { path: '^src/cli/' },
      'The command line is the top floor.',
    ),
    rule(
      'only-main-loads-the-sandbox',
      { path: '^src/', pathNot: '^src/cli/main\\.ts$' },
      { path: '^sandbox/' },
      'A user who rolls out never loads the sandbox.',
    ),
    rule('no-orphans', { orphan: true, pathNot: ['\\.d\\.ts$'] }, {}, 'Nobody needs it.'),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'] },
  },
};
