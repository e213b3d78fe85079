// Runs the statements that it is given, one a line as consistency, tab, text, and a tab and p if it is to be prepared, and
// prints what each error is.
'use strict';

const readline = require('readline');
const cassandra = require('cassandra-driver');

const args = { port: '9042', 'data-center': 'datacenter1' };
for (let i = 2; i < process.argv.length; i += 2) args[process.argv[i].slice(2)] = process.argv[i + 1];

const client = new cassandra.Client({
  contactPoints: [`${args.host}:${args.port}`],
  localDataCenter: args['data-center'],
  authProvider: args.user ? new cassandra.auth.PlainTextAuthProvider(args.user, args.password) : undefined,
});

function name(e) {
  const code = Object.entries(cassandra.types.responseErrorCodes).find(([, code]) => code === e.code);
  const inner = Object.values(e.innerErrors || {}).map(name);
  return e.constructor.name + (code ? ` ${code[0]}` : '') + (inner.length ? ` [${[...new Set(inner)].sort().join(', ')}]` : '');
}

async function main() {
  await client.connect();
  console.log('@running');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [consistency, text, prepared] = line.split('\t');
    try {
      const level = cassandra.types.consistencies[consistency.toLowerCase()];
      // A statement that is prepared again and again ends so.
      const late = new Promise((_, reject) => setTimeout(reject, 10000, new Error('no answer')).unref());
      await Promise.race([client.execute(text, [], { consistency: level, prepare: prepared !== undefined }), late]);
      console.log('none');
    } catch (e) {
      console.log(name(e));
    }
  }
  process.exit(0);
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
