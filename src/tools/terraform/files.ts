/** Files that terraform reads instead of arguments, which everybody on the machine could read. Pure. */

/**
 * `key = "value"` lines for `-backend-config`. In HCL a string holds templates (`${`, `%{`), and they are not meant.
 */
export function backendFile(settings: Record<string, string>): string {
  const lines = Object.entries(settings).map(([key, value]) => `${key} = "${escapeHcl(value)}"\n`);
  return lines.join('');
}

function escapeHcl(value: string): string {
  return value
    .replace(/[\\"]/g, (found) => `\\${found}`)
    .replace(/[$%]\{/g, (found) => `${found[0]}${found}`)
    .replace(/\p{Cc}/gu, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * How the worker's providers and backends reach their clouds. Nothing else of its environment is handed over: TF_VAR_*
 * would set variables that nobody has approved, TF_CLI_ARGS would add arguments.
 */
const HANDED_OVER = [
  /^AWS_/,
  /^(GOOGLE|CLOUDSDK)_/,
  /^ARM_/,
  // Registries and HCP Terraform; settings of the command line itself.
  /^TF_TOKEN_/,
  /^TF_(CLI_CONFIG_FILE|PLUGIN_CACHE_DIR)$/,
  /^(https?|no|all)_proxy$/i,
  /^SSL_CERT_(FILE|DIR)$/,
];

export function terraformEnvironment(env: NodeJS.ProcessEnv, dataDir: string): Record<string, string> {
  const handedOver = Object.entries(env).flatMap(([name, value]) =>
    value !== undefined && HANDED_OVER.some((pattern) => pattern.test(name)) ? [[name, value] as const] : [],
  );
  return {
    ...Object.fromEntries(handedOver),
    TF_DATA_DIR: dataDir,
    TF_IN_AUTOMATION: '1',
    TF_INPUT: '0',
    CHECKPOINT_DISABLE: '1',
  };
}
