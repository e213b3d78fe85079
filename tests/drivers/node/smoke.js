// What an application does with the Node.js driver, as lines that do not change from run to run.
//
// The lines of a run straight to the cluster and of a run through the proxy have to be equal byte
// for byte. Lines that start with `@` speak to whoever started the program.
'use strict';

const readline = require('readline');
const cassandra = require('cassandra-driver');
const { types } = cassandra;

const args = { port: '9042', keyspace: 'smoke_node', 'data-center': 'dc1', rf: '3', skip: '' };
for (let i = 2; i < process.argv.length; i += 2) args[process.argv[i].slice(2)] = process.argv[i + 1];

const WORDS = ['', 'plain', 'ärger', 'Привет', '日本語', '🦀 lane'];
const prepared = { prepare: true };
const uid = (n) => types.Uuid.fromString('6f1c2f0e-7d50-4a57-9b7c-' + String(n).padStart(12, '0'));
const say = (...words) => console.log(words.join(' '));
const plain = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v.toString() : v));
const row = (r) => plain(r && Object.fromEntries(Object.entries(r)));

function connect(keyspace) {
  const client = new cassandra.Client({
    protocolOptions: { maxSchemaAgreementWaitSeconds: 60, maxVersion: args.version && Number(args.version) },
    contactPoints: [`${args.host}:${args.port}`],
    localDataCenter: args['data-center'],
    keyspace,
    socketOptions: { connectTimeout: 10000, readTimeout: 60000 },
    queryOptions: { consistency: types.consistencies.quorum },
  });
  client.on('log', (level, from, message) => {
    if (level === 'warning' || level === 'error') console.error(level.toUpperCase(), from, message);
  });
  return client;
}

const sections = {
  async schema(client) {
    await client.execute(`DROP KEYSPACE IF EXISTS ${args.keyspace}`);
    await client.execute(`CREATE KEYSPACE ${args.keyspace} WITH replication = ` +
      `{'class': 'NetworkTopologyStrategy', '${args['data-center']}': ${args.rf}}`);
    await client.execute(`USE ${args.keyspace}`);
    await client.execute('CREATE TABLE types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, e double, ' +
      'f boolean, g timestamp, h inet, i list<int>, j map<text, int>, l set<text>, m decimal, n varint)');
    await client.execute('CREATE TABLE rows (p text, q int, c int, v text, PRIMARY KEY ((p, q), c))');
    await client.execute('CREATE TABLE blobs (k blob PRIMARY KEY, v blob)');
    await client.execute('CREATE TABLE ids (k uuid PRIMARY KEY, v int)');
    say('schema: used', client.keyspace);
  },

  async simple(client) {
    await client.execute('INSERT INTO ids (k, v) VALUES (?, ?)', [uid(1), 7], { hints: ['uuid', 'int'] });
    const got = await client.execute('SELECT k, v FROM ids WHERE k = ?', [uid(1)], { hints: ['uuid'] });
    say('simple:', plain(got.rows));
    await client.execute(`INSERT INTO ${args.keyspace}.ids (k, v) VALUES (${uid(2)}, 8)`);
    await client.execute('INSERT INTO ids (k, v) VALUES (:k, :v)', { v: 9, k: uid(3) }, prepared);
    say('simple: named', plain((await client.execute('SELECT v FROM ids WHERE k = :k', { k: uid(3) }, prepared)).rows));
    say('simple: literal', plain((await client.execute(`SELECT v FROM ids WHERE k = ${uid(2)}`)).rows));
  },

  async prepared(client) {
    for (let n = 0; n < WORDS.length; n++) {
      const values = [n * 1000003 - 2, WORDS[n], Buffer.from([...Array(n * 40).keys()]), uid(n),
        types.Long.fromNumber(-n).shiftLeft(40), n / 3, n % 2 === 0, new Date(1577836800000 + n * 1000),
        types.InetAddress.fromString(`10.0.0.${n}`), [...Array(n).keys()],
        Object.fromEntries(WORDS.slice(0, n).map((w) => [w, w.length])), WORDS.slice(0, n),
        types.BigDecimal.fromString(`${n}.125`), types.Integer.fromNumber(n).shiftLeft(70)];
      await client.execute('INSERT INTO types (k, a, b, c, d, e, f, g, h, i, j, l, m, n) ' +
        'VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', values, prepared);
      const got = (await client.execute('SELECT k, a, b, c, d, e, f, g, h, i, j, l, m, n FROM types WHERE k = ?',
        [values[0]], prepared)).first();
      say('prepared:', n, row(got), got.b.equals(values[2]), got.d.equals(values[4]), got.n.equals(values[13]));
    }
    for (const size of [1, 15, 16, 17, 200, 5000]) {
      const key = Buffer.from([...Array(size).keys()].map((i) => (7 * i + size) % 256));
      await client.execute('INSERT INTO blobs (k, v) VALUES (?, ?)', [key, Buffer.concat([key, key])], prepared);
      const got = await client.execute('SELECT v FROM blobs WHERE k = ?', [key], prepared);
      say('prepared: blob key of', size, got.first().v.equals(Buffer.concat([key, key])));
    }
  },

  async nothing(client) {
    const insert = 'INSERT INTO types (k, a, d) VALUES (?, ?, ?)';
    await client.execute(insert, [9001, 'kept', 5], prepared);
    // Version 3 knows no unset.
    await client.execute(insert, [9001, args.version === '3' ? 'kept' : types.unset, null], prepared);
    const read = 'SELECT a, d FROM types WHERE k = ?';
    say('null and unset:', row((await client.execute(read, [9001], prepared)).first()));
    say('no row:', row((await client.execute(read, [9002], prepared)).first()));
  },

  async batches(client) {
    const insert = 'INSERT INTO rows (p, q, c, v) VALUES (?, ?, ?, ?)';
    for (const logged of [true, false]) {
      const name = logged ? 'logged' : 'unlogged';
      await client.batch(WORDS.map((v, c) => ({ query: insert, params: [name, 1, c, v] })), { prepare: true, logged });
      await client.batch([`INSERT INTO rows (p, q, c, v) VALUES ('${name}', 1, 99, 'simple')`], { logged });
      const got = await client.execute('SELECT c, v FROM rows WHERE p = ? AND q = 1', [name], prepared);
      say('batch:', name, plain(got.rows));
    }
  },

  async paging(client) {
    const values = [...Array(1000).keys()].map((c) => [c, `v${c}`]);
    await cassandra.concurrent.executeConcurrent(client,
      "INSERT INTO rows (p, q, c, v) VALUES ('pages', 2, ?, ?)", values, { concurrencyLevel: 50 });
    for (const direction of ['ASC', 'DESC']) {
      const expected = direction === 'ASC' ? values : [...values].reverse();
      const pages = [];
      const seen = [];
      let pageState;
      do {
        const got = await client.execute(`SELECT c, v FROM rows WHERE p = ? AND q = ? ORDER BY c ${direction}`,
          ['pages', 2], { prepare: true, fetchSize: 100, pageState });
        if (got.rows.length) pages.push(got.rows.length);
        seen.push(...got.rows.map((r) => [r.c, r.v]));
        pageState = got.pageState;
      } while (pageState);
      say('paging:', direction, plain(pages), plain(seen) === plain(expected));
    }
  },

  async conditional(client) {
    const insert = 'INSERT INTO ids (k, v) VALUES (?, ?) IF NOT EXISTS';
    const update = 'UPDATE ids SET v = ? WHERE k = ? IF v = ?';
    for (const [name, text, values] of [['inserted', insert, [uid(50), 1]], ['inserted twice', insert, [uid(50), 2]],
      ['updated', update, [3, uid(50), 1]], ['not updated', update, [4, uid(50), 1]]]) {
      const got = await client.execute(text, values, prepared);
      say('lwt:', name, got.wasApplied(), row(got.first()));
    }
  },

  async errors(client) {
    for (const [name, text] of [['syntax', 'SELEKT 1'], ['table', 'SELECT * FROM nowhere'],
      ['column', 'SELECT nothing FROM ids'], ['exists', 'CREATE TABLE ids (k int PRIMARY KEY)'],
      ['keyspace', 'SELECT * FROM no_such_keyspace.t'], ['key', "SELECT * FROM rows WHERE p = 'x'"],
      ['use', 'USE no_such_keyspace']]) {
      try {
        await client.execute(text);
        say('error:', name, 'none');
      } catch (e) {
        say('error:', name, e.name, e.code, e.message);
      }
    }
    try {
      await client.execute('SELECT * FROM nowhere WHERE k = ?', [1], prepared);
      say('error: prepare none');
    } catch (e) {
      say('error: prepare', e.name, e.code, e.message);
    }
    say('error: keyspace stays', (await client.execute('SELECT v FROM ids WHERE k = ?', [uid(1)], prepared)).first().v);
  },

  async large(client) {
    const blob = Buffer.alloc(2 << 20);
    for (let i = 0; i < blob.length; i++) blob[i] = (i * i) % 251;
    const key = Buffer.from('large');
    await client.execute('INSERT INTO blobs (k, v) VALUES (?, ?)', [key, blob], prepared);
    const back = (await client.execute('SELECT v FROM blobs WHERE k = ?', [key], prepared)).first().v;
    say('large:', back.length, back.equals(blob));
  },

  async many(client) {
    const keys = [...Array(500).keys()].map((k) => k * 7919 - 400000);
    let wrong = 0;
    await Promise.all(keys.map((k) => client.execute('INSERT INTO types (k, a, d) VALUES (?, ?, ?)',
      [k, `w${k}`, types.Long.fromNumber(k).shiftLeft(20)], prepared)));
    const got = await Promise.all(keys.map((k) => client.execute('SELECT k, a, d FROM types WHERE k = ?', [k], prepared)));
    got.forEach((g, i) => {
      const r = g.first();
      const k = keys[i];
      if (r.k !== k || r.a !== `w${k}` || !r.d.equals(types.Long.fromNumber(k).shiftLeft(20))) wrong++;
    });
    say('in flight: 500 at once, wrong', wrong);
  },

  async definitions(client) {
    for (let n = 0; n < 10; n++) {
      await client.execute(`CREATE TABLE fresh${n} (k int PRIMARY KEY, v text)`);
      await client.execute(`INSERT INTO fresh${n} (k, v) VALUES (?, ?)`, [n, `f${n}`], prepared);
      say('fresh:', row((await client.execute(`SELECT k, v FROM fresh${n} WHERE k = ?`, [n], prepared)).first()));
    }
  },

  async metadata(client) {
    await client.metadata.refreshKeyspace(args.keyspace);
    for (const name of ['blobs', 'fresh9', 'ids', 'rows', 'types']) {
      const t = await client.metadata.getTable(args.keyspace, name);
      say('metadata:', name, plain(t.partitionKeys.map((c) => c.name)), plain(t.clusteringKeys.map((c) => c.name)),
        plain(t.columns.map((c) => c.name).sort()));
    }
  },

  async altered(client) {
    say('alter: before', row((await client.execute('SELECT k, v FROM fresh1 WHERE k = ?', [1], prepared)).first()));
    await client.execute('ALTER TABLE fresh1 ADD extra int');
    await client.execute("INSERT INTO fresh1 (k, v, extra) VALUES (1, 'f1', 11)");
    const got = await client.execute('SELECT k, v, extra FROM fresh1 WHERE k = ?', [1], prepared);
    say('alter: after', row(got.first()));
  },

  async second(client) {
    const other = connect(args.keyspace);
    const got = await other.execute('SELECT v FROM ids WHERE k = ?', [uid(1)], prepared);
    say('second session:', got.first().v);
    await other.execute('CREATE TABLE seen (k int PRIMARY KEY, v text)');
    await other.execute('ALTER TABLE ids ADD later int');
    await other.shutdown();
    const deadline = Date.now() + 30000;
    const see = async () => [await client.metadata.getTable(args.keyspace, 'seen'),
      (await client.metadata.getTable(args.keyspace, 'ids')).columns.map((c) => c.name).sort()];
    let [seen, columns] = await see();
    while (!(seen && columns.includes('later')) && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      [seen, columns] = await see();
    }
    say('schema of another session seen:', Boolean(seen), plain(columns));
  },

  async reconnect(client) {
    const read = () => client.execute('SELECT v FROM ids WHERE k = ?', [uid(1)], prepared);
    say('reconnect: before', (await read()).first().v);
    say('@restart');
    await line();
    const deadline = Date.now() + 60000;
    for (;;) {
      try {
        say('reconnect: after', (await read()).first().v);
        return;
      } catch (e) {
        if (Date.now() > deadline) throw e;
        say('@waiting', e.name);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  },
};

const input = readline.createInterface({ input: process.stdin });
const waiting = [];
const arrived = [];
input.on('line', (text) => (waiting.length ? waiting.shift()(text) : arrived.push(text)));
const line = () => new Promise((resolve) => (arrived.length ? resolve(arrived.shift()) : waiting.push(resolve)));

async function main() {
  const client = connect();
  await client.connect();
  say('connected');
  let failed = 0;
  for (const [name, section] of Object.entries(sections)) {
    if (args.skip.split(',').includes(name)) continue;
    try {
      await section(client);
    } catch (e) {
      failed = 1;
      say(`FAILED ${name}: ${e.name}: ${e.message}`, plain(e.innerErrors || null));
    }
  }
  await client.shutdown();
  say('end');
  process.exit(failed);
}

main().catch((e) => {
  say(`FAILED: ${e.name}: ${e.message}`);
  process.exit(1);
});
