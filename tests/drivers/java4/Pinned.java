// Tries what needs protocol 5 with version 4 of the Java driver, and prints what comes of it.

import com.datastax.oss.driver.api.core.*;
import com.datastax.oss.driver.api.core.config.*;
import com.datastax.oss.driver.api.core.cql.*;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.Callable;

public class Pinned {
  static CqlSession connect(String version) {
    ProgrammaticDriverConfigLoaderBuilder config = DriverConfigLoader.programmaticBuilder()
        .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(60))
        .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofSeconds(10))
        .withString(DefaultDriverOption.REQUEST_CONSISTENCY, "ALL");
    if (version != null) config.withString(DefaultDriverOption.PROTOCOL_VERSION, version);
    return CqlSession.builder()
        .addContactPoint(new InetSocketAddress(Smoke.arg("host", ""), Integer.parseInt(Smoke.arg("port", "9042"))))
        .withLocalDatacenter(Smoke.arg("data-center", "dc1"))
        .withConfigLoader(config.build())
        .build();
  }

  static void what(String name, Callable<?> f) {
    try {
      Smoke.say(name + ":", f.call());
    } catch (Exception e) {
      Smoke.say(name + ":", "error:", e.getClass().getSimpleName(), String.valueOf(e.getMessage()).split("\n")[0]);
    }
  }

  public static void main(String[] words) {
    for (int i = 0; i + 1 < words.length; i += 2) Smoke.args.put(words[i].substring(2), words[i + 1]);
    CqlSession s = connect(null);
    Smoke.say("speaks", s.getContext().getProtocolVersion());
    SimpleStatement bare = SimpleStatement.newInstance("SELECT v FROM t WHERE k = 1").setKeyspace("v5");
    SimpleStatement full = SimpleStatement.newInstance("SELECT v FROM v5.t WHERE k = 1");
    what("setKeyspace", () -> s.execute(bare).one().getInt(0));
    what("prepare in a keyspace", () -> s.execute(s.prepare(bare).bind()).one().getInt(0));
    what("setNowInSeconds", () -> s.execute(full.setNowInSeconds(1)).one().getInt(0));
    what("pinned to 5", () -> {
      try (CqlSession pinned = connect("V5")) {
        return "speaks " + pinned.getContext().getProtocolVersion();
      }
    });
    System.exit(0);
  }
}
