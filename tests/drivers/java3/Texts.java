// Writes and reads rows by SimpleStatement, with constants and with values by place and by name, which nothing prepares:
// Texts HOST KEYSPACE COUNT.

import com.datastax.driver.core.*;
import java.util.*;

public class Texts {
  static Session s;

  static Row one(SimpleStatement statement) {
    return s.execute(statement).one();
  }

  static void check(Object got, Object wanted) {
    if (!wanted.equals(got)) throw new IllegalStateException(got + " is not " + wanted);
  }

  public static void main(String[] args) {
    String keyspace = args[1];
    try (Cluster cluster = Cluster.builder().addContactPoint(args[0]).withoutJMXReporting().build()) {
      s = cluster.connect();
      String numbers = keyspace + ".t", names = keyspace + ".names";
      for (int k = 0; k < Integer.parseInt(args[2]); k++) {
        String name = "ключ " + k;
        s.execute("INSERT INTO " + numbers + " (v, k) VALUES ('it''s " + k + "', " + k + ")");
        s.execute(new SimpleStatement("UPDATE " + names + " SET v = ? WHERE k = ?", k, name));
        check(one(new SimpleStatement("SELECT v FROM " + numbers + " WHERE k = ?", k)).getString(0), "it's " + k);
        Map<String, Object> named = Collections.singletonMap("name", (Object) name);
        check(one(new SimpleStatement("SELECT v FROM " + names + " WHERE k = :name", named)).getInt(0), k);
        check(one(new SimpleStatement("SELECT v FROM " + names + " WHERE k = '" + name + "'")).getInt(0), k);
      }
    }
  }
}
