// Writes and reads back keys of two tables until a line arrives; prints what it saw as one line of JSON.
// Load --host HOST --keyspace KEYSPACE [--ca FILE].

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.CqlSessionBuilder;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.*;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Load {
  static final int WORKERS = 8, KEYS = 200;
  static final AtomicInteger requests = new AtomicInteger(), wrong = new AtomicInteger(), errors = new AtomicInteger();
  static volatile boolean stopped;

  static Row one(CqlSession s, BoundStatement statement) {
    requests.incrementAndGet();
    try {
      // What is not idempotent is not tried again by the driver: each failure is seen.
      Row row = s.execute(statement.setIdempotent(false)).one();
      return row;
    } catch (RuntimeException e) {
      if (errors.getAndIncrement() == 0) e.printStackTrace();
      return null;
    }
  }

  static void work(CqlSession s, int worker, PreparedStatement[] insert, PreparedStatement[] read) {
    for (int v = 0; !stopped; v++) {
      for (int k = worker; k < KEYS && !stopped; k += WORKERS) {
        for (int table = 0; table < 2; table++) {
          Object key = table == 0 ? (Object) k : "ключ " + k;
          int failed = errors.get();
          one(s, insert[table].bind(key, v));
          Row row = one(s, read[table].bind(key));
          if (errors.get() == failed && (row == null || row.getInt(0) != v)) wrong.incrementAndGet();
        }
        try {
          Thread.sleep(20);
        } catch (InterruptedException e) {
          return;
        }
      }
    }
  }

  /** What speaks TLS with servers that this CA signed. */
  static SSLContext trusting(String ca) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream file = new FileInputStream(ca)) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trusted.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trusted.getTrustManagers(), null);
    return context;
  }

  public static void main(String[] args) throws Exception {
    String keyspace = args[3];
    DriverConfigLoader patient = DriverConfigLoader.programmaticBuilder()
        .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofSeconds(10))
        .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(20))
        .build();
    CqlSessionBuilder builder = CqlSession.builder().addContactPoint(new InetSocketAddress(args[1], 9042))
        .withLocalDatacenter("datacenter1").withKeyspace(keyspace).withConfigLoader(patient);
    if (args.length > 5) builder = builder.withSslContext(trusting(args[5]));
    try (CqlSession s = builder.build()) {
      PreparedStatement[] insert = {s.prepare("INSERT INTO ints (k, v) VALUES (?, ?)"),
          s.prepare("INSERT INTO texts (k, v) VALUES (?, ?)")};
      PreparedStatement[] read = {s.prepare("SELECT v FROM ints WHERE k = ?"), s.prepare("SELECT v FROM texts WHERE k = ?")};
      Thread[] threads = new Thread[WORKERS];
      for (int i = 0; i < WORKERS; i++) {
        int worker = i;
        threads[i] = new Thread(() -> work(s, worker, insert, read));
        threads[i].start();
      }
      System.out.println("@running");
      System.in.read();
      stopped = true;
      for (Thread thread : threads) thread.join();
      System.out.println(String.format("{\"requests\": %d, \"wrong\": %d, \"errors\": {%s}}", requests.get(), wrong.get(),
          errors.get() == 0 ? "" : "\"any\": " + errors.get()));
    }
  }
}
