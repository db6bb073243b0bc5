/**
 * Why Temporal cannot be reached, and what to do. The same fact comes in several words: gRPC and OpenSSL's from the
 * client, tonic's and rustls' from the worker.
 */
import { Redactor } from './redaction.js';

/** What a connection was attempted with. */
export interface Attempt {
  address: string;
  namespace: string;
  /** What it proved itself with. */
  credentials: 'apiKey' | 'certificate' | 'metadata' | 'none';
  tls: boolean;
  /** Texts that no message may hold. */
  secrets: string[];
}

interface Explanation {
  matches: (why: string, attempt: Attempt) => boolean;
  /** What happened; the reason in its own words follows in brackets. */
  what: (attempt: Attempt) => string;
  fix: (attempt: Attempt) => string;
}

const DENIED =
  /PERMISSION_DENIED|UNAUTHENTICATED|does not have permission to execute|valid authentication credentials/;
/** The other side's word on our certificate; a wrong cipher would be a `handshake failure` too. */
const CERTIFICATE_ALERT = /\balert\b.*(certificate|unknown ?ca|handshake ?failure|access ?denied)/i;
const OTHER_NAME = /ALTNAME|NotValidForName/;
const UNTRUSTED =
  /self-signed|unable to (get|verify)|certificate (has expired|is not yet valid)|InvalidCertificate|CERT_/i;
const NO_TLS = /wrong version number|packet length too long|InvalidContentType|InvalidMessage/i;
/**
 * gRPC has no word for a server that takes a connection and drops it; hyper has one for each moment at which it
 * notices, and now and then notices before it reads an alert.
 */
const DROPPED =
  /^Failed to connect$|ECONNRESET|socket hang up|ConnectionReset|ConnectionAborted|BrokenPipe|UnexpectedEof|"connection closed"/;

const NO_CERTIFICATE_FIX =
  'client_cert_path and client_key_path, both, in the tls table of the profile (TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH)';
const CERTIFICATE_FIX =
  'Look at the client certificate that the profile names: it has to be valid today and signed by a CA that the namespace lists';

const CREDENTIALS_FIX: Record<Attempt['credentials'], string> = {
  apiKey:
    'Look at the API key (TEMPORAL_API_KEY, or api_key of the profile): it has to be whole, not expired, and allowed to use this namespace',
  certificate: "Look at the namespace: it has to list the CA that signed the profile's client certificate",
  metadata: 'Look at what TEMPORAL_GRPC_META_* or grpc_meta of the profile prove',
  none: 'Give an API key (TEMPORAL_API_KEY, or api_key of the profile) or a client certificate (client_cert_path and client_key_path of its tls table)',
};

const EXPLANATIONS: Explanation[] = [
  {
    matches: (why) => DENIED.test(why),
    what: ({ address, namespace }) => `Temporal at ${address} refuses the namespace ${namespace}`,
    fix: ({ credentials }) => CREDENTIALS_FIX[credentials],
  },
  {
    matches: (why) => CERTIFICATE_ALERT.test(why),
    what: ({ address, credentials }) =>
      credentials === 'certificate'
        ? `Temporal at ${address} does not accept the client certificate`
        : `Temporal at ${address} asks for a client certificate`,
    fix: ({ credentials }) =>
      credentials === 'certificate' ? CERTIFICATE_FIX : `Give ${NO_CERTIFICATE_FIX}`,
  },
  {
    matches: (why) => OTHER_NAME.test(why),
    what: ({ address }) => `Temporal at ${address} shows a certificate of another name`,
    fix: () =>
      'Set the name that the certificate is for: server_name in the tls table of the profile, or TEMPORAL_TLS_SERVER_NAME',
  },
  {
    matches: (why) => UNTRUSTED.test(why),
    what: ({ address }) => `Temporal at ${address} shows a certificate that is not trusted here`,
    fix: () =>
      'Give the CA that signed it: server_ca_cert_path in the tls table of the profile, or TEMPORAL_TLS_SERVER_CA_CERT_PATH',
  },
  {
    matches: (why, { tls }) => tls && NO_TLS.test(why),
    what: ({ address }) => `What answers at ${address} does not speak TLS`,
    fix: () =>
      'An API key and a tls table turn TLS on; where there is none, set disabled = true in the tls table, or TEMPORAL_TLS=false',
  },
  {
    matches: (why, { tls }) => tls && DROPPED.test(why),
    what: ({ address }) => `What answers at ${address} ends the TLS connection without a word`,
    fix: ({ credentials }) =>
      credentials === 'certificate'
        ? CERTIFICATE_FIX
        : `If it wants a client certificate, give ${NO_CERTIFICATE_FIX}`,
  },
  {
    matches: (why, { tls }) => !tls && DROPPED.test(why),
    what: ({ address }) => `What answers at ${address} ends a connection without TLS`,
    fix: () =>
      'If it expects TLS, set TEMPORAL_TLS=true, or give the profile a tls table; TEMPORAL_PROFILE chooses the profile',
  },
];

/**
 * @param why the reason in the words of gRPC, OpenSSL, tonic or rustls
 * @returns an error for people: address, what happened, what to do; without any of `attempt.secrets`
 */
export function connectionFailure(why: string, attempt: Attempt): Error {
  const reason = inShort(why);
  const explanation = EXPLANATIONS.find(({ matches }) => matches(reason, attempt));
  const what = explanation?.what(attempt) ?? `No Temporal server answers at ${attempt.address}`;
  const fix =
    explanation?.fix(attempt) ??
    'Start one (headgate sandbox up, temporal server start-dev) or set TEMPORAL_ADDRESS';
  const redactor = new Redactor();
  for (const secret of attempt.secrets) redactor.add(secret);
  return new Error(redactor.redact(`${what} (${reason}). ${fix}.`));
}

/** Without gRPC's frame, OpenSSL's source lines and the time of the attempt. */
function inShort(why: string): string {
  return why
    .replace(/^(\d+ UNAVAILABLE: )?No connection established\. Last error: (Error: )?/, '')
    .replace(/^\d+ (?=[A-Z_]+: )/, '')
    .replace(/\s*\.?\s*Resolution note:.*$/s, '')
    .replace(/\s*\(\d{4}-\d\d-\d\dT[^)]*\)$/, '')
    .replace(/[0-9A-F]+:error:[0-9A-F]+:SSL routines:[^:]*:([^:]+):[^\n]*/, '$1')
    .replace(/\s+/g, ' ')
    .replace(/[\s.]+$/, '');
}
