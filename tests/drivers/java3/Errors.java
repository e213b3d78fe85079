// Runs the statements that it is given, one a line as consistency, tab, text, and a tab and p if it is to be prepared, and
// prints what each error is.

import com.datastax.driver.core.*;
import com.datastax.driver.core.exceptions.*;
import java.util.*;
import java.util.concurrent.TimeUnit;

public class Errors {
  static String name(Throwable e) {
    String name = e.getClass().getSimpleName();
    if (!(e instanceof NoHostAvailableException)) return name;
    Set<String> inner = new TreeSet<>();
    for (Throwable error : ((NoHostAvailableException) e).getErrors().values()) inner.add(name(error));
    return name + " " + inner;
  }

  public static void main(String[] words) throws Exception {
    for (int i = 0; i + 1 < words.length; i += 2) Smoke.args.put(words[i].substring(2), words[i + 1]);
    Session session = Smoke.connect().connect();
    Smoke.say("@running");
    for (String line; (line = Smoke.input.readLine()) != null; ) {
      String[] asked = line.split("\t");
      try {
        Statement text = new SimpleStatement(asked[1]);
        if (asked.length > 2) text = session.prepare(asked[1]).bind();
        ResultSetFuture answer = session.executeAsync(text.setConsistencyLevel(ConsistencyLevel.valueOf(asked[0])));
        // A statement that is prepared again and again ends so.
        answer.getUninterruptibly(10, TimeUnit.SECONDS);
        Smoke.say("none");
      } catch (Exception e) {
        Smoke.say(name(e));
      }
    }
    System.exit(0);
  }
}
