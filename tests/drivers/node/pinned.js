// Tries what needs protocol 5, as far as the driver knows it, and prints what comes of it.
'use strict';

const cassandra = require('cassandra-driver');

const args = { port: '9042', 'data-center': 'datacenter1' };
for (let i = 2; i < process.argv.length; i += 2) args[process.argv[i].slice(2)] = process.argv[i + 1];

function connect(options) {
  return new cassandra.Client({ contactPoints: [`${args.host}:${args.port}`], localDataCenter: args['data-center'], ...options });
}

async function what(name, f) {
  try {
    console.log(`${name}: ${await f()}`);
  } catch (e) {
    console.log(`${name}: error: ${e.constructor.name} ${e.message}`);
  }
}

async function main() {
  const client = connect({});
  await client.connect();
  await what('keyspace', async () => (await client.execute('SELECT v FROM t WHERE k = 1', [], { keyspace: 'v5' })).first().v);
  await client.shutdown();
  await what('pinned to 5', async () => {
    const pinned = connect({ protocolOptions: { maxVersion: 5 } });
    await pinned.connect();
    const version = pinned.controlConnection.protocolVersion;
    await pinned.shutdown();
    return `speaks ${version}`;
  });
  process.exit(0);
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
