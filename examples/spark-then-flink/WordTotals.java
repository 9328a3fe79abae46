package tramontane.examples;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.accumulators.LongMaximum;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/**
 * Adds up the word counts that Spark wrote: the second job of the chain.
 *
 * <pre>
 * --counts DIR   folder of part files with lines "word TAB count"
 * --refuse WORD  fail when this word turns up (default: none)
 * </pre>
 *
 * Accumulators: words (all), distinct, characters (all words' characters), longest (characters of the longest word).
 */
public final class WordTotals {
    private WordTotals() {}

    public static void main(String[] arguments) throws Exception {
        String counts = null;
        String refused = "";
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            if (arguments[i].equals("--counts")) counts = arguments[i + 1];
            else if (arguments[i].equals("--refuse")) refused = arguments[i + 1];
            else throw new IllegalArgumentException("unknown option " + arguments[i] + ", known are --counts and --refuse");
        }
        if (counts == null) throw new IllegalArgumentException("--counts DIR is needed");

        ArrayList<String> files = partFiles(Paths.get(counts));
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        environment.fromSequence(0, files.size() - 1L).name("part files")
                .flatMap(new ReadLines(files)).name("read lines")
                .map(new AddUp(refused)).name("add up")
                .sinkTo(new DiscardingSink<>()).name("accumulators only");
        environment.execute("word totals");
    }

    private static ArrayList<String> partFiles(Path folder) throws Exception {
        try (Stream<Path> found = Files.list(folder)) {
            List<String> files = found.map(Path::toString)
                    .filter(file -> file.substring(file.lastIndexOf('/') + 1).startsWith("part-"))
                    .sorted()
                    .collect(Collectors.toList());
            if (files.isEmpty()) throw new IllegalArgumentException("no part files in " + folder);
            return new ArrayList<>(files);
        }
    }

    private static final class ReadLines extends RichFlatMapFunction<Long, String> {
        private final ArrayList<String> files;

        ReadLines(ArrayList<String> files) {
            this.files = files;
        }

        @Override
        public void flatMap(Long index, Collector<String> lines) throws Exception {
            Files.readAllLines(Paths.get(files.get(index.intValue()))).forEach(lines::collect);
        }
    }

    private static final class AddUp extends RichMapFunction<String, Long> {
        private final String refused;
        private final LongCounter words = new LongCounter();
        private final LongCounter distinct = new LongCounter();
        private final LongCounter characters = new LongCounter();
        private final LongMaximum longest = new LongMaximum();

        AddUp(String refused) {
            this.refused = refused;
        }

        @Override
        public void open(OpenContext context) {
            getRuntimeContext().addAccumulator("words", words);
            getRuntimeContext().addAccumulator("distinct", distinct);
            getRuntimeContext().addAccumulator("characters", characters);
            getRuntimeContext().addAccumulator("longest", longest);
        }

        @Override
        public Long map(String line) {
            int tab = line.lastIndexOf('\t');
            String word = line.substring(0, tab);
            long count = Long.parseLong(line.substring(tab + 1));
            if (word.equals(refused)) {
                throw new IllegalStateException("the word '" + word + "' is refused");
            }
            long length = word.codePointCount(0, word.length());
            words.add(count);
            distinct.add(1);
            characters.add(count * length);
            longest.add(length);
            return count;
        }
    }
}
