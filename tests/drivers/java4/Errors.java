// Runs the statements that it is given, one a line as consistency, tab, text, and a tab and p if it is to be prepared, and
// prints what each error is.

import com.datastax.oss.driver.api.core.*;
import com.datastax.oss.driver.api.core.cql.*;
import java.time.Duration;
import java.util.*;

public class Errors {
  static String name(Throwable e) {
    String name = e.getClass().getSimpleName();
    if (!(e instanceof AllNodesFailedException)) return name;
    Set<String> inner = new TreeSet<>();
    for (List<Throwable> errors : ((AllNodesFailedException) e).getAllErrors().values()) {
      for (Throwable error : errors) inner.add(name(error));
    }
    return name + " " + inner;
  }

  public static void main(String[] words) throws Exception {
    for (int i = 0; i + 1 < words.length; i += 2) Smoke.args.put(words[i].substring(2), words[i + 1]);
    CqlSession session = Smoke.connect(null);
    Smoke.say("@running");
    for (String line; (line = Smoke.input.readLine()) != null; ) {
      String[] asked = line.split("\t");
      try {
        SimpleStatement text = SimpleStatement.newInstance(asked[1])
            .setConsistencyLevel(DefaultConsistencyLevel.valueOf(asked[0]));
        Statement<?> statement = asked.length > 2 ? session.prepare(text).bind() : text;
        // A statement that is prepared again and again ends so.
        session.execute(statement.setTimeout(Duration.ofSeconds(10)));
        Smoke.say("none");
      } catch (Exception e) {
        Smoke.say(name(e));
      }
    }
    System.exit(0);
  }
}
