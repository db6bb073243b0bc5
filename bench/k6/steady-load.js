// Requests at a fixed rate, whatever the answers take: what a client notices while traffic moves.
import { check } from 'k6';
import http from 'k6/http';

export const options = {
  scenarios: {
    steady: {
      executor: 'constant-arrival-rate',
      rate: Number(__ENV.RATE),
      timeUnit: '1s',
      duration: __ENV.DURATION,
      preAllocatedVUs: 100,
      maxVUs: 400,
    },
  },
};

export default function () {
  const response = http.get(__ENV.URL);
  check(response, { 'status is 200': ({ status }) => status === 200 });
}
