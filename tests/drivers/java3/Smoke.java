// What an application does with version 3 of the Java driver, as lines that do not change from run to run.
//
// The lines of a run straight to the cluster and of a run through the proxy have to be equal byte for
// byte. Lines that start with `@` speak to whoever started the program; warnings go to the error stream.

import com.datastax.driver.core.*;
import com.datastax.driver.core.exceptions.*;
import com.datastax.driver.core.policies.*;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.*;

public class Smoke {
  static final String[] WORDS = {"", "plain", "ärger", "Привет", "日本語", "🦀 lane"};
  static final Map<String, String> args = new HashMap<>();
  static final BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
  static Cluster cluster;
  static Session s;
  static String keyspace;
  static boolean v3;

  interface Section {
    void run() throws Exception;
  }

  static String arg(String name, String fallback) {
    return args.getOrDefault(name, fallback);
  }

  static void say(Object... words) {
    StringJoiner line = new StringJoiner(" ");
    for (Object word : words) line.add(String.valueOf(word));
    System.out.println(line);
  }

  static UUID uid(int n) {
    return UUID.fromString(String.format("6f1c2f0e-7d50-4a57-9b7c-%012d", n));
  }

  static Cluster connect() {
    Cluster.Builder builder = Cluster.builder()
        .addContactPointsWithPorts(new InetSocketAddress(arg("host", ""), Integer.parseInt(arg("port", "9042"))))
        .withoutJMXReporting()
        .withMaxSchemaAgreementWaitSeconds(60)
        .withLoadBalancingPolicy(new TokenAwarePolicy(
            DCAwareRoundRobinPolicy.builder().withLocalDc(arg("data-center", "dc1")).build()))
        .withReconnectionPolicy(new ConstantReconnectionPolicy(250))
        .withQueryOptions(new QueryOptions().setConsistencyLevel(ConsistencyLevel.QUORUM)
            .setRefreshSchemaIntervalMillis(50))
        .withSocketOptions(new SocketOptions().setConnectTimeoutMillis(10000).setReadTimeoutMillis(60000));
    if (v3) builder.withProtocolVersion(ProtocolVersion.V3);
    if (args.containsKey("compression")) {
      builder.withCompression(ProtocolOptions.Compression.valueOf(arg("compression", "none").toUpperCase()));
    }
    if (args.containsKey("user")) builder.withCredentials(arg("user", ""), arg("password", ""));
    return builder.build();
  }

  static String text(Object value) {
    if (value instanceof ByteBuffer) {
      ByteBuffer bytes = ((ByteBuffer) value).duplicate();
      StringBuilder hex = new StringBuilder("0x");
      while (bytes.hasRemaining()) hex.append(String.format("%02x", bytes.get()));
      return hex.toString();
    }
    if (value instanceof Set) return new TreeSet<Object>((Set<?>) value).toString();
    if (value instanceof Map) return new TreeMap<Object, Object>((Map<?, ?>) value).toString();
    return String.valueOf(value);
  }

  static String row(Row row) {
    if (row == null) return "none";
    StringJoiner line = new StringJoiner(", ", "{", "}");
    for (ColumnDefinitions.Definition c : row.getColumnDefinitions()) {
      line.add(c.getName() + " " + c.getType() + " " + text(row.getObject(c.getName())));
    }
    return line.toString();
  }

  static String rows(ResultSet result) {
    List<String> all = new ArrayList<>();
    for (Row row : result) all.add(row(row));
    return all.toString();
  }

  static void schema() {
    s.execute("DROP KEYSPACE IF EXISTS " + keyspace);
    s.execute(String.format("CREATE KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', '%s': %s}",
        keyspace, arg("data-center", "dc1"), arg("rf", "3")));
    s.execute("USE " + keyspace);
    s.execute("CREATE TABLE types (k int PRIMARY KEY, a text, b blob, c uuid, d bigint, e double, f boolean, "
        + "g timestamp, h inet, i list<int>, j map<text, int>, l set<text>, m decimal, n varint, o smallint)");
    s.execute("CREATE TABLE rows (p text, q int, c int, v text, PRIMARY KEY ((p, q), c))");
    s.execute("CREATE TABLE blobs (k blob PRIMARY KEY, v blob)");
    s.execute("CREATE TABLE ids (k uuid PRIMARY KEY, v int)");
    say("schema: used", s.getLoggedKeyspace());
  }

  static void simple() {
    s.execute("INSERT INTO ids (k, v) VALUES (?, ?)", uid(1), 7);
    say("simple:", rows(s.execute("SELECT k, v FROM ids WHERE k = ?", uid(1))));
    s.execute(new SimpleStatement("INSERT INTO ids (k, v) VALUES (:k, :v)",
        new TreeMap<String, Object>(Map.of("k", uid(3), "v", 9))));
    say("simple: named", rows(s.execute(
        new SimpleStatement("SELECT v FROM ids WHERE k = :k", Map.<String, Object>of("k", uid(3))))));
    s.execute("INSERT INTO " + keyspace + ".ids (k, v) VALUES (" + uid(2) + ", 8)");
    say("simple: literal", rows(s.execute("SELECT v FROM ids WHERE k = " + uid(2))));
  }

  static void prepared() throws Exception {
    PreparedStatement insert = s.prepare("INSERT INTO types (k, a, b, c, d, e, f, g, h, i, j, l, m, n, o) "
        + "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    PreparedStatement read = s.prepare("SELECT k, a, b, c, d, e, f, g, h, i, j, l, m, n, o FROM types WHERE k = :k");
    for (int n = 0; n < WORDS.length; n++) {
      byte[] blob = new byte[n * 40];
      List<Integer> ints = new ArrayList<>();
      Map<String, Integer> lengths = new HashMap<>();
      for (int i = 0; i < blob.length; i++) blob[i] = (byte) i;
      for (int i = 0; i < n; i++) {
        ints.add(i);
        lengths.put(WORDS[i], WORDS[i].length());
      }
      int key = n * 1_000_003 - 2;
      s.execute(insert.bind(key, WORDS[n], ByteBuffer.wrap(blob), uid(n), -(long) n << 40, n / 3.0, n % 2 == 0,
          new Date(1577836800000L + n), InetAddress.getByName("10.0.0." + n), ints, lengths,
          new HashSet<>(Arrays.asList(WORDS).subList(0, n)), new BigDecimal(n + ".125"),
          BigInteger.valueOf(n).shiftLeft(70), (short) -n));
      Row got = s.execute(read.bind().setInt("k", key)).one();
      say("prepared:", n, row(got).replaceAll("timestamp [^,]*", "timestamp " + got.getTimestamp("g").getTime()));
    }
    PreparedStatement write = s.prepare("INSERT INTO blobs (k, v) VALUES (?, ?)");
    PreparedStatement back = s.prepare("SELECT v FROM blobs WHERE k = ?");
    for (int size : new int[] {1, 15, 16, 17, 200, 5000}) {
      byte[] key = new byte[size];
      for (int i = 0; i < size; i++) key[i] = (byte) (7 * i + size);
      s.execute(write.bind(ByteBuffer.wrap(key), ByteBuffer.wrap(key)));
      say("prepared: blob key of", size,
          s.execute(back.bind(ByteBuffer.wrap(key))).one().getBytes("v").equals(ByteBuffer.wrap(key)));
    }
  }

  static void nothing() {
    PreparedStatement insert = s.prepare("INSERT INTO types (k, a, d) VALUES (?, ?, ?)");
    PreparedStatement read = s.prepare("SELECT a, d FROM types WHERE k = ?");
    s.execute(insert.bind(9001, "kept", 5L));
    BoundStatement partly = insert.bind().setInt("k", 9001).setToNull("d");
    if (v3) partly.setString("a", "kept"); // version 3 knows no unset
    s.execute(partly);
    say("null and unset:", rows(s.execute(read.bind(9001))));
    say("no row:", rows(s.execute(read.bind(9002))));
  }

  static void batches() {
    PreparedStatement insert = s.prepare("INSERT INTO rows (p, q, c, v) VALUES (?, ?, ?, ?)");
    for (BatchStatement.Type type : new BatchStatement.Type[] {BatchStatement.Type.LOGGED, BatchStatement.Type.UNLOGGED}) {
      BatchStatement batch = new BatchStatement(type);
      for (int c = 0; c < WORDS.length; c++) batch.add(insert.bind(type.name(), 1, c, WORDS[c]));
      batch.add(new SimpleStatement("INSERT INTO rows (p, q, c, v) VALUES (?, 1, 99, 'simple')", type.name()));
      s.execute(batch);
      say("batch:", type, rows(s.execute("SELECT c, v FROM rows WHERE p = ? AND q = 1", type.name())));
    }
  }

  static void paging() throws Exception {
    PreparedStatement insert = s.prepare("INSERT INTO rows (p, q, c, v) VALUES ('pages', 2, ?, ?)");
    List<ResultSetFuture> waiting = new ArrayList<>();
    for (int c = 0; c < 1000; c++) {
      waiting.add(s.executeAsync(insert.bind(c, "v" + c)));
      if (waiting.size() == 50) {
        for (ResultSetFuture one : waiting) one.get();
        waiting.clear();
      }
    }
    for (String direction : new String[] {"ASC", "DESC"}) {
      PreparedStatement read = s.prepare("SELECT c, v FROM rows WHERE p = ? AND q = ? ORDER BY c " + direction);
      List<Integer> pages = new ArrayList<>();
      boolean right = true;
      int seen = 0;
      PagingState state = null;
      do {
        Statement page = read.bind("pages", 2).setFetchSize(100);
        if (state != null) page.setPagingState(state);
        ResultSet result = s.execute(page);
        state = result.getExecutionInfo().getPagingState();
        int rows = result.getAvailableWithoutFetching();
        if (rows > 0) pages.add(rows);
        for (int i = 0; i < rows; i++, seen++) {
          Row got = result.one();
          int wanted = direction.equals("ASC") ? seen : 999 - seen;
          right &= got.getInt("c") == wanted && got.getString("v").equals("v" + wanted);
        }
      } while (state != null);
      say("paging:", direction, pages, seen, right);
    }
  }

  static void conditional() {
    PreparedStatement insert = s.prepare("INSERT INTO ids (k, v) VALUES (?, ?) IF NOT EXISTS");
    PreparedStatement update = s.prepare("UPDATE ids SET v = ? WHERE k = ? IF v = ?");
    for (BoundStatement one : new BoundStatement[] {insert.bind(uid(50), 1), insert.bind(uid(50), 2),
        update.bind(3, uid(50), 1), update.bind(4, uid(50), 1)}) {
      ResultSet result = s.execute(one);
      say("lwt:", result.wasApplied(), rows(result));
    }
  }

  static void errors() {
    String[][] wrong = {{"syntax", "SELEKT 1"}, {"table", "SELECT * FROM nowhere"}, {"column", "SELECT nothing FROM ids"},
        {"exists", "CREATE TABLE ids (k int PRIMARY KEY)"}, {"keyspace", "SELECT * FROM no_such_keyspace.t"},
        {"key", "SELECT * FROM rows WHERE p = 'x'"}, {"use", "USE no_such_keyspace"}};
    for (String[] one : wrong) {
      try {
        s.execute(one[1]);
        say("error:", one[0], "none");
      } catch (DriverException e) {
        say("error:", one[0], e.getClass().getSimpleName(), one[0].equals("use") ? "" : e.getMessage());
      }
    }
    try {
      s.prepare("SELECT * FROM nowhere WHERE k = ?");
      say("error: prepare none");
    } catch (DriverException e) {
      say("error: prepare", e.getClass().getSimpleName(), e.getMessage());
    }
    say("error: keyspace stays", rows(s.execute("SELECT v FROM ids WHERE k = ?", uid(1))));
  }

  static void large() {
    byte[] blob = new byte[2 << 20];
    for (int i = 0; i < blob.length; i++) blob[i] = (byte) ((long) i * i % 251);
    ByteBuffer key = ByteBuffer.wrap("large".getBytes());
    s.execute(s.prepare("INSERT INTO blobs (k, v) VALUES (?, ?)").bind(key, ByteBuffer.wrap(blob)));
    ByteBuffer back = s.execute(s.prepare("SELECT v FROM blobs WHERE k = ?").bind(key)).one().getBytes("v");
    say("large:", back.remaining(), back.equals(ByteBuffer.wrap(blob)));
  }

  static void many() throws Exception {
    PreparedStatement insert = s.prepare("INSERT INTO types (k, a, d) VALUES (?, ?, ?)");
    PreparedStatement read = s.prepare("SELECT k, a, d FROM types WHERE k = ?");
    List<ResultSetFuture> waiting = new ArrayList<>();
    for (int i = 0; i < 500; i++) {
      int k = i * 7919 - 400_000;
      waiting.add(s.executeAsync(insert.bind(k, "w" + k, (long) k << 20)));
    }
    for (ResultSetFuture one : waiting) one.get();
    waiting.clear();
    for (int i = 0; i < 500; i++) waiting.add(s.executeAsync(read.bind(i * 7919 - 400_000)));
    int wrong = 0;
    for (int i = 0; i < 500; i++) {
      int k = i * 7919 - 400_000;
      Row got = waiting.get(i).get().one();
      if (got.getInt("k") != k || !got.getString("a").equals("w" + k) || got.getLong("d") != (long) k << 20) wrong++;
    }
    say("in flight: 500 at once, wrong", wrong);
  }

  static void definitions() {
    for (int n = 0; n < 10; n++) {
      s.execute("CREATE TABLE fresh" + n + " (k int PRIMARY KEY, v text)");
      s.execute(s.prepare("INSERT INTO fresh" + n + " (k, v) VALUES (?, ?)").bind(n, "f" + n));
      say("fresh:", rows(s.execute(s.prepare("SELECT k, v FROM fresh" + n + " WHERE k = ?").bind(n))));
    }
  }

  static void altered() {
    PreparedStatement read = s.prepare("SELECT * FROM fresh1 WHERE k = ?");
    say("alter: before", rows(s.execute(read.bind(1))));
    s.execute("ALTER TABLE fresh1 ADD extra int");
    s.execute("INSERT INTO fresh1 (k, v, extra) VALUES (1, 'f1', 11)");
    say("alter: after", rows(s.execute(s.prepare("SELECT k, v, extra FROM fresh1 WHERE k = ?").bind(1))));
  }

  static void metadata() {
    for (TableMetadata table : new TreeMap<String, TableMetadata>() {{
        for (TableMetadata t : cluster.getMetadata().getKeyspace(keyspace).getTables()) put(t.getName(), t);
      }}.values()) {
      say("metadata:", table.getName(), table.getPartitionKey(), table.getClusteringColumns(), table.getColumns());
    }
  }

  static void second() throws Exception {
    try (Cluster others = connect(); Session other = others.connect(keyspace)) {
      say("second session:", rows(other.execute("SELECT v FROM ids WHERE k = ?", uid(1))));
      other.execute("CREATE TABLE seen (k int PRIMARY KEY, v text)");
      other.execute("ALTER TABLE ids ADD later int");
    }
    long deadline = System.nanoTime() + 30_000_000_000L;
    KeyspaceMetadata now = cluster.getMetadata().getKeyspace(keyspace);
    while ((now.getTable("seen") == null || now.getTable("ids").getColumn("later") == null)
        && System.nanoTime() < deadline) {
      Thread.sleep(100);
      now = cluster.getMetadata().getKeyspace(keyspace);
    }
    say("schema of another session seen:", now.getTable("seen") != null, now.getTable("ids").getColumns());
  }

  static void reconnect() throws Exception {
    PreparedStatement read = s.prepare("SELECT v FROM ids WHERE k = ?");
    say("reconnect: before", s.execute(read.bind(uid(1))).one().getInt("v"));
    say("@restart");
    input.readLine();
    long deadline = System.nanoTime() + 60_000_000_000L;
    while (true) {
      try {
        say("reconnect: after", s.execute(read.bind(uid(1))).one().getInt("v"));
        return;
      } catch (DriverException e) {
        if (System.nanoTime() > deadline) throw e;
        say("@waiting", e.getClass().getSimpleName());
        Thread.sleep(250);
      }
    }
  }

  public static void main(String[] words) throws Exception {
    for (int i = 0; i + 1 < words.length; i += 2) args.put(words[i].substring(2), words[i + 1]);
    keyspace = arg("keyspace", "smoke_java3");
    v3 = arg("version", "").equals("3");
    cluster = connect();
    s = cluster.connect();
    say("connected");
    Map<String, Section> sections = new LinkedHashMap<>();
    sections.put("schema", Smoke::schema);
    sections.put("simple", Smoke::simple);
    sections.put("prepared", Smoke::prepared);
    sections.put("nothing", Smoke::nothing);
    sections.put("batches", Smoke::batches);
    sections.put("paging", Smoke::paging);
    sections.put("conditional", Smoke::conditional);
    sections.put("errors", Smoke::errors);
    sections.put("large", Smoke::large);
    sections.put("many", Smoke::many);
    sections.put("definitions", Smoke::definitions);
    sections.put("metadata", Smoke::metadata);
    sections.put("altered", Smoke::altered);
    sections.put("second", Smoke::second);
    sections.put("reconnect", Smoke::reconnect);
    int failed = 0;
    for (Map.Entry<String, Section> section : sections.entrySet()) {
      if (Arrays.asList(arg("skip", "").split(",")).contains(section.getKey())) continue;
      try {
        section.getValue().run();
      } catch (Exception e) {
        failed = 1;
        say("FAILED", section.getKey() + ":", e);
        e.printStackTrace();
      }
    }
    s.close();
    cluster.close();
    say("end");
    System.exit(failed);
  }
}
