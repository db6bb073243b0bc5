// Peak load on staging: two hundred people who look at the shop.
import { check, sleep } from 'k6';
import http from 'k6/http';

export const options = {
  stages: [
    { duration: '1m', target: 200 },
    { duration: '10m', target: 200 },
  ],
};

export default function () {
  check(http.get(`${__ENV.BASE_URL}/`), { 'there is an answer': ({ status }) => status === 200 });
  sleep(1);
}
