// Writes and reads back keys of two tables; prints what it saw as one line of JSON.
//
// `load` goes on until a line arrives; `touch` does every key once, waits for a line, and does it again.
'use strict';

const readline = require('readline');
const cassandra = require('cassandra-driver');

const args = { port: '9042', 'data-center': 'dc1', mode: 'load', keys: '200', consistency: 'QUORUM' };
for (let i = 2; i < process.argv.length; i += 2) args[process.argv[i].slice(2)] = process.argv[i + 1];

const WORKERS = 8;
// Milliseconds; keeps a load from starving the servers that share its machine.
const PAUSE = 20;
const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const prepared = { prepare: true };

const client = new cassandra.Client({
  contactPoints: [`${args.host}:${args.port}`],
  localDataCenter: args['data-center'],
  keyspace: args.keyspace,
  socketOptions: { connectTimeout: 10000, readTimeout: 20000 },
  queryOptions: { consistency: cassandra.types.consistencies[args.consistency.toLowerCase()
    .replace(/_./g, (c) => c[1].toUpperCase())] },
  policies: {
    retry: new cassandra.policies.retry.FallthroughRetryPolicy(),
    reconnection: new cassandra.policies.reconnection.ConstantReconnectionPolicy(500),
  },
});

async function request(tally, table, k, text, values, expected) {
  const begin = Date.now();
  let error = null;
  try {
    const got = await client.execute(text, values, prepared);
    if (expected !== undefined && (got.first() || { v: null }).v !== expected) tally.wrong++;
  } catch (e) {
    error = e;
    // Asked of one host only, the driver wraps what that host said.
    const inner = e.innerErrors && Object.values(e.innerErrors)[0];
    const code = e.code || (inner && inner.code);
    const name = code ? '0x' + code.toString(16).padStart(4, '0') : `${e.name} ${e.message}`;
    if (!tally.errors[name]) console.error(new Date().toISOString(), table, k, e, inner);
    tally.errors[name] = (tally.errors[name] || 0) + 1;
    (tally.failed[table] = tally.failed[table] || []).push(k);
  }
  tally.requests++;
  tally.longest = Math.max(tally.longest, (Date.now() - begin) / 1000);
  return error === null;
}

async function writeAndRead(tally, k, v) {
  for (const [table, key] of [['ints', k], ['texts', `ключ ${k}`]]) {
    if (await request(tally, table, k, `INSERT INTO ${args.keyspace}.${table} (k, v) VALUES (?, ?)`, [key, v])) {
      await request(tally, table, k, `SELECT v FROM ${args.keyspace}.${table} WHERE k = ?`, [key], v);
    }
  }
}

async function everybody(first, rounds, stopped) {
  const tally = { requests: 0, wrong: 0, longest: 0, errors: {}, failed: {} };
  await Promise.all([...Array(WORKERS).keys()].map(async (worker) => {
    for (let v = first; v < first + rounds; v++) {
      for (let k = worker; k < Number(args.keys); k += WORKERS) {
        if (stopped()) return;
        await writeAndRead(tally, k, v);
        if (args.mode === 'load') await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }));
  console.log(JSON.stringify(tally));
}

async function main() {
  await client.connect();
  if (args.mode === 'load') {
    let stop = false;
    console.log('@running');
    input.next().then(() => { stop = true; });
    await everybody(0, 1 << 30, () => stop);
  } else {
    for (const v of [1, 2]) {
      await everybody(v, 1, () => false);
      await input.next();
    }
  }
  await client.shutdown();
  process.exit(0);
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
