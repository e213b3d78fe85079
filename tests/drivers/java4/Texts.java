// Writes and reads rows by SimpleStatement, with constants and with values by place and by name, which nothing prepares:
// Texts HOST KEYSPACE COUNT.

import com.datastax.oss.driver.api.core.CqlSession;
import com.datastax.oss.driver.api.core.config.DefaultDriverOption;
import com.datastax.oss.driver.api.core.config.DriverConfigLoader;
import com.datastax.oss.driver.api.core.cql.*;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.*;

public class Texts {
  static CqlSession s;

  static Row one(SimpleStatement statement) {
    return s.execute(statement).one();
  }

  static void check(Object got, Object wanted) {
    if (!wanted.equals(got)) throw new IllegalStateException(got + " is not " + wanted);
  }

  public static void main(String[] args) {
    String keyspace = args[1];
    DriverConfigLoader patient = DriverConfigLoader.programmaticBuilder()
        .withDuration(DefaultDriverOption.CONNECTION_INIT_QUERY_TIMEOUT, Duration.ofSeconds(10))
        .withDuration(DefaultDriverOption.REQUEST_TIMEOUT, Duration.ofSeconds(20))
        .build();
    try (CqlSession session = CqlSession.builder().addContactPoint(new InetSocketAddress(args[0], 9042))
        .withLocalDatacenter("datacenter1").withConfigLoader(patient).build()) {
      s = session;
      String numbers = keyspace + ".t", names = keyspace + ".names";
      for (int k = 0; k < Integer.parseInt(args[2]); k++) {
        String name = "ключ " + k;
        s.execute("INSERT INTO " + numbers + " (v, k) VALUES ('it''s " + k + "', " + k + ")");
        s.execute(SimpleStatement.newInstance("UPDATE " + names + " SET v = ? WHERE k = ?", k, name));
        check(one(SimpleStatement.newInstance("SELECT v FROM " + numbers + " WHERE k = ?", k)).getString(0), "it's " + k);
        Map<String, Object> named = Collections.singletonMap("name", name);
        check(one(SimpleStatement.newInstance("SELECT v FROM " + names + " WHERE k = :name", named)).getInt(0), k);
        check(one(SimpleStatement.newInstance("SELECT v FROM " + names + " WHERE k = '" + name + "'")).getInt(0), k);
      }
    }
  }
}
