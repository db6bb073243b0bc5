// Two users for a second; yours does what your customers do.
import { check, sleep } from 'k6';
import http from 'k6/http';

export const options = { vus: 2, duration: '1s' };

export default function () {
  check(http.get(`${__ENV.BASE_URL}/healthz`), { 'is up': ({ status }) => status === 200 });
  sleep(0.1);
}
