// Prints one JSON object: how many messages of a queue wait. Here they are made up; yours asks the broker.
const [queue] = process.argv.slice(2);
process.stdout.write(`${JSON.stringify({ queue, waiting: 3 })}\n`);
