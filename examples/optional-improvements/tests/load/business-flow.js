// The business flow of a guest: the service is there, and offers tables. FLOW_HOLD makes it longer.
import { check, sleep } from 'k6';
import http from 'k6/http';

export const options = { vus: 10, duration: __ENV.FLOW_HOLD || '5s' };

export default function () {
  const healthy = http.get(`${__ENV.BASE_URL}/healthz`);
  check(healthy, { 'the service is there': ({ status }) => status === 200 });
  const offer = http.get(`${__ENV.BASE_URL}/api/availability`);
  check(offer, {
    'tables are offered': (response) => response.status === 200 && response.json('available').length > 0,
  });
  sleep(0.5);
}
