// Reads rows of a table that changes until a line arrives; prints what it saw as one line of JSON.
//
// Each column holds its own name and the key, so a value read by another's column shows; new ones may be null.
'use strict';

const readline = require('readline');
const cassandra = require('cassandra-driver');

const args = { port: '9042', 'data-center': 'dc1', keys: '64' };
for (let i = 2; i < process.argv.length; i += 2) args[process.argv[i].slice(2)] = process.argv[i + 1];

// Each reads so many rows in a row, and then none for a while: a statement that is run all the time is the first to hear
// of a change, and others never misread.
const WORKERS = 4;
const BURST = 16;
const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const client = new cassandra.Client({
  contactPoints: [`${args.host}:${args.port}`], localDataCenter: args['data-center'], keyspace: args.keyspace,
});

function isRight(row, k) {
  return row.k === k && row.m === `m-${k}`
    && row.keys().every((name) => name === 'k' || row[name] === null || row[name] === `${name}-${k}`);
}

async function main() {
  await client.connect();
  const seen = { reads: 0, wrong: 0, errors: 0, first: [] };
  let stop = false;
  console.log('@running');
  input.next().then(() => { stop = true; });
  await Promise.all([...Array(WORKERS).keys()].map(async (worker) => {
    for (let k = worker; !stop; k = (k + WORKERS) % Number(args.keys)) {
      let said = null;
      try {
        const row = (await client.execute(`SELECT * FROM ${args.keyspace}.t WHERE k = ?`, [k], { prepare: true })).first();
        if (!isRight(row, k)) {
          seen.wrong++;
          said = `${k} ${JSON.stringify(row)}`;
        }
      } catch (e) {
        seen.errors++;
        said = `${k} ${e}`;
      }
      seen.reads++;
      if (seen.reads % BURST === 0) await new Promise((resolve) => setTimeout(resolve, 100 + 200 * Math.random()));
      if (said && seen.first.length < 3) seen.first.push(said);
    }
  }));
  console.log(JSON.stringify(seen));
  await client.shutdown();
  process.exit(0);
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
