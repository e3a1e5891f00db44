"""Shows where peers go wrong on Chinese and its neighbours, each with a short text of our own.

    python tests/oracle/cjk_faults.py SHARED tests/fixtures/rules/cjk_faults.jsonl PEERS

Run it with each Python that holds a peer: datatrove 0.10.1 (with jieba, loguru), py-data-juicer 1.6.1, dolma 1.2.1 (with
uniseg, fasttext, zhconv). PEERS holds `nemo_curator` 1.4.0 and `text_dedup` 0.4.0 (unpacked wheels), and `dclm` and
`chinesewebtext` as the oracles of those names want them. What a Python cannot import is left as it stands in the file.
"""

import importlib.metadata
import importlib.util
import json
import re
import sys
import types
from pathlib import Path

SHARED, OUT, PEERS = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])

PROSE = """清晨六点，巷口的豆浆铺已经亮起了灯。老板娘把热气腾腾的豆浆舀进碗里，又递上两根刚出锅的油条，笑着问客人今天要不要加糖。
对面的修车师傅正在给一辆旧自行车补胎，他一边干活，一边听着收音机里的天气预报。预报说，午后有小雨，气温比昨天低三度。
上学的孩子们三三两两走过，有人背着课文，有人争论昨晚的球赛。等到太阳升过屋顶，这条小巷就完全醒来了。
我在这里住了十二年，看着店铺换了几家，邻居搬了几户，可是每天早上的这股豆香，一直没有变过。"""
DIALOGUE = """“你昨天去哪儿了？我等了你整整一个下午。”
“我去看外婆了，她的腿又疼起来，只好送她去医院。”
“医生怎么说？要不要我明天陪你们一起去复查？”
“医生说没有大碍，多休息几天就好，谢谢你惦记着。”"""
REPEATED = "限时优惠全场包邮" * 30
SHORT_LINES = """今天的会议改到下午三点。
请各位同事提前十分钟到场。
会议室在四楼，靠近电梯的那一间。
先由小陈介绍上个月的进展。
接着讨论新版说明书的目录。
有问题的同事可以先写在纸上。
会后每人领取一份修改过的日程。
不能来的人请在中午以前告诉我。"""
LIST = "\n".join(f"●{name}" for name in "北京市朝阳区 上海市浦东新区 广州市天河区 深圳市南山区 杭州市西湖区 成都市武侯区".split())
SPECIAL = "上海的女士上午上班，晚上上课，周末上山上香。男士也上网上学，士兵上岗，博士上台。"
TRADITIONAL = PROSE + "\n巷尾的匾額上寫著「張記」兩個字，據說是民國時候留下來的。"
TRADE = "第一百三十五届中国进出口商品交易会昨天开幕，进出口交易额比去年同期增长一成。"

found = {}


def fault(name, peer, text, measure, value, verdict, why):
    found[name] = dict(
        name=name, peer=peer, text=text, measure=measure, value=value, verdict=verdict, why=why,
    )


def version(package):
    return f"{package} {importlib.metadata.version(package)}"


def load(path, name, **stubs):
    """A module of a peer by itself; `stubs` are modules that it imports and does not need."""
    for stub, held in stubs.items():
        module = types.ModuleType(stub.replace("__", "."))
        module.__dict__.update(held)
        sys.modules[module.__name__] = module
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def datatrove():
    from datatrove.data import Document
    from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, c4_filters
    from datatrove.utils.perplexity import KenlmModel
    from datatrove.utils.text import PUNCTUATION_SET, split_into_words

    peer = version("datatrove")
    ask = lambda judge, text, **metadata: judge.filter(Document(text=text, id="0", metadata=metadata))
    reason = lambda verdict: "kept" if verdict is True else verdict[1]

    words = split_into_words(PROSE, "cmn_Hani")
    fault("datatrove_gopher_english", peer, PROSE, "mean word length, jieba words, English defaults",
          round(sum(map(len, words)) / len(words), 3), reason(ask(GopherQualityFilter(language="cmn_Hani"), PROSE)),
          "ordinary Chinese words have under two characters; the English minimum of 3 drops all Chinese prose")
    judge = c4_filters.C4QualityFilter(language="cmn_Hani")
    verdict = reason(ask(judge, PROSE))
    fault("datatrove_c4_full_stop", peer, PROSE, "lines dropped without a sentence end, of 4",
          int(judge.stats["line-filter-no_terminal_punc"].total), verdict, "the Chinese full stop, question and exclamation marks do not end a line: "
          "nothing is left of the page")
    judge = c4_filters.C4QualityFilter(language="cmn_Hani", filter_no_terminal_punct=False)
    fault("datatrove_c4_words_per_line", peer, PROSE, "whitespace words of the first line",
          len(PROSE.split("\n")[0].split()), reason(ask(judge, PROSE)),
          "words of a line are counted between spaces, so a Chinese line has one and is dropped as too short")
    judge = FineWebQualityFilter(language="cmn_Hani", short_line_thr=999, char_duplicates_ratio=0.1,
                                 line_punct_thr=0.106, new_line_ratio=0.178)
    lines = DIALOGUE.split("\n")
    fault("datatrove_closing_quote", peer, DIALOGUE, "fraction of lines with a sentence end",
          sum(line.endswith(judge.stop_chars) for line in lines) / len(lines), reason(ask(judge, DIALOGUE)),
          "a sentence that ends inside closing quotation marks counts as unfinished, so dialogue is dropped")
    judge = FineWebQualityFilter(language="cmn_Hani")
    lines = SHORT_LINES.split("\n")
    fault("datatrove_short_lines", peer, SHORT_LINES, "fraction of lines of at most 30 characters",
          round(sum(len(line) <= 30 for line in lines) / len(lines), 3), reason(ask(judge, SHORT_LINES)),
          "30 characters are a whole Chinese sentence but a quarter of an English line")
    fault("datatrove_paragraph_length", peer, PROSE, "lengths of the lines", [len(line) for line in PROSE.split("\n")],
          reason(ask(c4_filters.C4ParagraphFilter(), PROSE)),
          "200 characters are asked of a paragraph whatever the script; Chinese says the same in a third of them")
    fault("datatrove_full_width_one", peer, "０１２３４５６７８９", "of these, punctuation",
          [digit for digit in "０１２３４５６７８９" if digit in PUNCTUATION_SET], None,
          "the full-width digit one, and no other digit, is listed as punctuation: a word of it is not counted")
    fault("datatrove_missing_punctuation", peer, "『』〔〕‘、【】", "of these, not punctuation",
          [mark for mark in "『』〔〕‘、【】" if mark not in PUNCTUATION_SET], None,
          "brackets and quotation marks used in Chinese and Japanese count as words of one character")
    judge = GopherQualityFilter(language="cmn_Hani", min_doc_words=None, min_avg_word_length=None, min_stop_words=None)
    fault("datatrove_bullets", peer, LIST, "lines that begin with a bullet",
          sum(line.lstrip().startswith(("•", "-")) for line in LIST.split("\n")), reason(ask(judge, LIST)), "every line is a list item, with the bullet that Chinese pages use")
    c4_filters.cached_asset_path_or_download = lambda url, **_: str(
        SHARED / "corpora/web/wordlists/ldnoobw" / url.rsplit("/", 1)[1]
    )
    judge = c4_filters.C4BadWordsFilter()
    verdict = reason(ask(judge, TRADE, language="zh"))
    fault("datatrove_bad_words", peer, TRADE, "the match", judge._get_badwords("zh").search(TRADE).group(), verdict,
          "the list is matched without word ends, so two characters of two harmless words drop a trade report")
    model = KenlmModel("wikipedia", "zh")
    fault("datatrove_kenlm_full_width_one", peer, "１月１日，共２１人。", "the text that the model is given",
          "".join(model.unicode_punct.get(letter, letter) for letter in "１月１日，共２１人。"), None,
          "the table of cc_net, kept by all who copied it, turns the full-width digit one into a quotation mark")


def nemo():
    import jieba

    jieba.setLogLevel(60)
    root = PEERS / "nemo_curator"
    constants = root / "stages/text/utils/constants.py"
    for name in ("", ".stages", ".stages.text", ".stages.text.utils", ".stages.text.filters"):
        sys.modules.setdefault(f"nemo_curator{name}", types.ModuleType(f"nemo_curator{name}"))
    unset = dict.fromkeys(("_sentences", "_paragraphs", "_ngrams"))
    base = type("DocumentFilter", (), {"__init__": lambda self: None, **unset})
    stub = types.ModuleType("nemo_curator.stages.text.filters.doc_filter")
    stub.DocumentFilter = base
    sys.modules[stub.__name__] = stub
    for name, path in (("constants", constants), ("text_utils", root / "stages/text/utils/text_utils.py")):
        full = f"nemo_curator.stages.text.utils.{name}"
        sys.modules[full] = load(path, full)
    string = load(root / "stages/text/filters/heuristic/string.py", "nemo_string")
    repetition = load(root / "stages/text/filters/heuristic/repetition/repetition.py", "nemo_repetition")
    peer = "nemo-curator 1.4.0"

    def judge(name, maker, text, measure, why):
        score = maker.score_document(text)
        verdict = "kept" if maker.keep_document(score) else "dropped"
        fault(name, peer, text, measure, round(float(score), 4), verdict, why)

    judge("nemo_non_alphanumeric", string.NonAlphaNumericFilter(), PROSE, "NonAlphaNumericFilter, default",
          "only [a-zA-Z0-9] and a few marks are alphanumeric: Chinese text is taken for symbols")
    judge("nemo_repeating_top_ngrams", repetition.RepeatingTopNGramsFilter(n=2, lang="zh"), REPEATED,
          "RepeatingTopNGramsFilter(n=2, lang=zh)",
          "words of jieba are joined with spaces and looked for in a text without spaces: never found, always 0")
    judge("nemo_mean_word_length", string.MeanWordLengthFilter(lang="zh"), PROSE, "MeanWordLengthFilter(lang=zh)",
          "the English minimum of 3 holds for words of jieba too")
    judge("nemo_punctuation", string.PunctuationFilter(), PROSE, "PunctuationFilter, default",
          "no Chinese mark ends a sentence")


def text_dedup():
    source = (PEERS / "text_dedup/minhash.py").read_text()
    pattern = re.search(r'^NON_ALPHA = re.compile\(r"(.+?)", re.UNICODE\)', source, re.M).group(1)
    tokens = [token for token in re.split(pattern, PROSE.lower()) if token]
    fault("text_dedup_tokens", "text-dedup 0.4.0", PROSE, "tokens; the longest", [len(tokens), max(tokens, key=len)],
          None, "tokens are what lies between marks: a whole clause is one, and one changed character makes it another")


def data_juicer():
    from loguru import logger

    logger.remove()
    from data_juicer.ops.filter.special_characters_filter import SpecialCharactersFilter
    from data_juicer.ops.filter.words_num_filter import WordsNumFilter
    from data_juicer.ops.mapper.punctuation_normalization_mapper import PunctuationNormalizationMapper
    from data_juicer.ops.mapper.remove_repeat_sentences_mapper import RemoveRepeatSentencesMapper
    from data_juicer.utils.constant import Fields

    peer = version("py-data-juicer")

    def judge(name, maker, text, why):
        samples = maker.compute_stats_batched({"text": [text], Fields.stats: [{}]})
        ((measure, value),) = samples[Fields.stats][0].items()
        verdict = "kept" if list(maker.process_batched(samples))[0] else "dropped"
        fault(name, peer, text, measure, round(value, 4), verdict, why)

    judge("data_juicer_words", WordsNumFilter(), PROSE,
          "words are what lies between spaces: a page of Chinese has as many as lines, fewer than 10")
    judge("data_juicer_special_characters", SpecialCharactersFilter(), SPECIAL,
          "the list of special characters, taken from ROOTS, holds the everyday characters 上 and 士")
    change = lambda maker, text: maker.process_batched({"text": [text]})["text"][0]
    text = "１月１日，共２１人。"
    fault("data_juicer_full_width_one", peer, text, "punctuation_normalization_mapper",
          change(PunctuationNormalizationMapper(), text), None, "the full-width digit one becomes a quotation mark")
    text = "雨が降った。雨は降らなかった。"
    fault("data_juicer_repeated_sentences", peer, text, "remove_repeat_sentences_mapper",
          change(RemoveRepeatSentencesMapper(), text), None,
          "kana are ignored in the comparison: it rained, it did not rain, and the second sentence is deleted")


def dolma():
    from dolma.core.data_types import Document
    from dolma.taggers.gopher import GopherTagger

    scores = {span.type: span.score for span in GopherTagger().predict(Document("", "0", PROSE)).spans}
    fault("dolma_median_word_length", version("dolma"), PROSE, "median_word_length (kept from 3 to 10)",
          scores["median_word_length"], "dropped", "words are what lies between spaces, so they are as long as lines")
    fault("dolma_required_words", version("dolma"), PROSE, "required_word_count (kept from 2)",
          scores["required_word_count"], "dropped", "eight English words are asked of every language")


def dclm():
    root = PEERS / "dclm/baselines/mappers"
    sys.path[:0] = [str(root), str(root / "filters")]
    import content_filters as filters
    import modifiers

    peer, page = "dclm c7ed275feacc", {"text": PROSE}
    words = filters.split_words(PROSE, ignore_punctuation=True)
    kept = filters.page_length_filter(page, "word", 50, 100000, ignore_punctuation=True)
    fault("dclm_words", peer, PROSE, "words (fastText tokens)", len(words), "kept" if kept else "dropped",
          "words are what lies between spaces, so a page of Chinese has too few")
    kept = filters.word_length_filter(page, min_length=3, max_length=10)
    fault("dclm_word_length", peer, PROSE, "mean length of whitespace words",
          round(sum(map(len, PROSE.split())) / len(PROSE.split()), 3), "kept" if kept else "dropped",
          "such words are as long as lines")
    kept = modifiers.line_length_modifier({"text": PROSE}, min_length=2)
    fault("dclm_two_words", peer, PROSE, "lines kept of 4", len(kept[0]["text"].split("\n")) if kept else 0,
          "kept" if kept else "dropped", "a line of one word is deleted, and every Chinese line is one word")


def chinesewebtext():
    for name, held in (("tqdm", "tqdm"), ("numpy", "array")):
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = types.ModuleType(name)
            setattr(sys.modules[name], held, None)
    peer = load(PEERS / "chinesewebtext/preprocess.py", "cwt")
    changed = peer.convert(TRADITIONAL, "zh-cn") != TRADITIONAL
    fault("chinesewebtext_traditional", "ChineseWebText de83375860e3", TRADITIONAL,
          "a page of simplified Chinese, one line of which quotes traditional characters", changed,
          "dropped" if changed else "kept", "a single traditional character anywhere drops the document")


def main():
    if OUT.exists():
        for line in OUT.read_text().splitlines():
            row = json.loads(line)
            found[row["name"]] = row
    for peer in (datatrove, nemo, text_dedup, data_juicer, dolma, dclm, chinesewebtext):
        try:
            peer()
        except ImportError as error:
            print("left out:", peer.__name__, error)
    OUT.write_text("".join(json.dumps(found[name], ensure_ascii=False) + "\n" for name in sorted(found)))
    for row in (found[name] for name in sorted(found)):
        print(row["name"], "|", row["peer"], "|", row["value"], "|", row["verdict"], "|", row["why"])


if __name__ == "__main__":
    main()
