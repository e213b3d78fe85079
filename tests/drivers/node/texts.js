// Writes and reads rows by texts with bound values that nothing prepares: node texts.js HOST KEYSPACE COUNT.
'use strict';

const cassandra = require('cassandra-driver');

const [host, keyspace, count] = process.argv.slice(2);
const options = { prepare: false, hints: ['int', 'text'] };

async function main() {
  const client = new cassandra.Client({
    contactPoints: [host],
    localDataCenter: 'datacenter1',
    socketOptions: { connectTimeout: 10000, readTimeout: 20000 },
  });
  await client.connect();
  for (let k = 0; k < Number(count); k++) {
    await client.execute(`INSERT INTO ${keyspace}.t (k, v) VALUES (?, ?)`, [k, `it's ${k}`], options);
    const got = await client.execute(`SELECT v FROM ${keyspace}.t WHERE k = :k`, { k }, { prepare: false, hints: { k: 'int' } });
    if (got.first().v !== `it's ${k}`) throw new Error(`${k}: ${JSON.stringify(got.rows)}`);
  }
  await client.shutdown();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
