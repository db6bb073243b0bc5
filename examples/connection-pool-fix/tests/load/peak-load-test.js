// Peak load: 500 people who look for a free table. The document's half hour in twenty seconds: long enough that one
// second in which the machine was busy with something else does not decide a 95th percentile. PEAK_HOLD makes it longer.
import { check, sleep } from 'k6';
import http from 'k6/http';
import { Counter } from 'k6/metrics';

const connectionTimeouts = new Counter('connection_timeouts');

export const options = {
  scenarios: {
    peak: {
      executor: 'ramping-vus',
      startVUs: 0,
      stages: [
        { duration: __ENV.PEAK_RAMP || '3s', target: 500 },
        { duration: __ENV.PEAK_HOLD || '18s', target: 500 },
      ],
      gracefulRampDown: '1s',
      gracefulStop: '3s',
    },
  },
  // A counter that was never added to is left out of the summary, unless it has a threshold.
  thresholds: { connection_timeouts: ['count<1'] },
};

export default function () {
  const response = http.get(`${__ENV.BASE_URL}/api/availability`);
  if (response.status === 503) connectionTimeouts.add(1);
  check(response, { 'there is an answer': ({ status }) => status === 200 });
  sleep(2.25 * (0.75 + Math.random() / 2));
}
