// Reads rows of a table that changes until a line arrives; prints what it saw as one line of JSON.
//
// Each column holds its own name and the key, so a value read by another's column shows; new ones may be null. Each
// reader rests between bursts: a statement that is run all the time is the first to hear of a change.

import com.datastax.driver.core.*;
import java.util.*;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.LockSupport;

public class Columns {
  static final int WORKERS = 4, BURST = 16;
  static final AtomicInteger reads = new AtomicInteger(), wrong = new AtomicInteger(), errors = new AtomicInteger();
  static final List<String> first = Collections.synchronizedList(new ArrayList<>());

  static boolean isRight(Row row, int k) {
    boolean right = row.getInt("k") == k && ("m-" + k).equals(row.getString("m"));
    for (ColumnDefinitions.Definition column : row.getColumnDefinitions()) {
      String name = column.getName();
      if (name.equals("k")) continue;
      String value = row.getString(name);
      right &= value == null || value.equals(name + "-" + k);
    }
    return right;
  }

  public static void main(String[] words) throws Exception {
    for (int i = 0; i + 1 < words.length; i += 2) Smoke.args.put(words[i].substring(2), words[i + 1]);
    Cluster cluster = Smoke.connect();
    Session session = cluster.connect(Smoke.arg("keyspace", ""));
    PreparedStatement select = session.prepare("SELECT * FROM " + Smoke.arg("keyspace", "") + ".t WHERE k = ?");
    int keys = Integer.parseInt(Smoke.arg("keys", "64"));
    AtomicBoolean stop = new AtomicBoolean();
    List<Thread> threads = new ArrayList<>();
    for (int worker = 0; worker < WORKERS; worker++) {
      int start = worker;
      threads.add(new Thread(() -> {
        for (int k = start; !stop.get(); k = (k + WORKERS) % keys) {
          String said = null;
          try {
            Row row = session.execute(select.bind(k)).one();
            if (row == null || !isRight(row, k)) {
              wrong.incrementAndGet();
              said = k + " " + (row == null ? "nothing" : row.toString());
            }
          } catch (Exception e) {
            errors.incrementAndGet();
            said = k + " " + e;
          }
          boolean rests = reads.incrementAndGet() % BURST == 0;
          if (said != null && first.size() < 3) first.add(said.replaceAll("[^\\x20-\\x7e]|[\"\\\\]", "'"));
          if (rests) LockSupport.parkNanos((100 + ThreadLocalRandom.current().nextInt(200)) * 1_000_000L);
        }
      }));
    }
    threads.forEach(Thread::start);
    Smoke.say("@running");
    Smoke.input.readLine();
    stop.set(true);
    for (Thread thread : threads) thread.join();
    cluster.close();
    Smoke.say(String.format("{\"reads\": %s, \"wrong\": %s, \"errors\": %s, \"first\": [%s]}", reads, wrong, errors,
        first.isEmpty() ? "" : "\"" + String.join("\", \"", first) + "\""));
    System.exit(0);
  }
}
