"""Words of crafted texts: what spaCy makes of English ones and jieba of Chinese ones.

Needs a Python with spacy 3.8 and jieba 0.42.1: `python tests/oracle/gopher_words.py tests/fixtures/gopher`
"""

import sys
from pathlib import Path

import jieba
import spacy

ENGLISH = r"""
Hello, world! (It's fine.)
I can't, won't, shouldn't've; they're y'all's. dont cant im Im I'm ill Ill we'll well
The U.S. and U.K. vs. the E.U., e.g. Mr. Smith, Ph.D., a.m. 5p.m. 12am i.e. this.
well-known state-of-the-art 3-4 1990-2000 a--b a---b a–b a—b a——b -x x- --x x--
$5.00 US$5 5US$ C$7 7$ 50% 5km 5km/h 12kg. 3MB 3°C. 20°F 5km² ¥100 100¥
"Quoted" 'single' “curly” ‘curly’ «guillemets» „low“ it's its' James' rock'n'roll o'clock
http://example.com/a?b=c, www.example.com. me@example.com (see https://x.org/y) file.txt foo.bar
foo.Bar a.b.c x.Y end.Start "end."Start 1.Start a,b a, b 1,000 a,1
and/or w/o a/b 1/2 a:b a=b a<b>c a>b x:=y a::b key:value <tag> </tag> <a href="x">
... .. . .... a...b a..b …a a…b …… a……
:) :-) :D =D ;-) <3 ^_^ (^_^) x:) xD XD >.< -_- ¯\(ツ)/¯ (╯°□°）╯︵┻━┻
C++ C# F# c++ .NET Node.js node.js 1+1 1+ +1 a+b +a a+ 2*3 2^3 2-3 3--
_under_ __init__ *bold* **bold** `code` ```rust #hash ## [link](url) {x} |a|b| |---|---| ~x~ ~~~
don't! (don't) "don't" don't. don't, 'don't' can't/won't cannot, gonna... Cannot. 'cause 'em 'Tis
naïve café. ÉCOLE. Ünïcödé, Привет, мир. Москва. Ελλάδα. שלום. عربى، नमस्ते। 한국어. 
😀 a😀b 😀😀 ☃x © ®x x™ ½ 5½ №5 § §5 a·b ·x
A. B. AB. ABC. aB. Ab. A.B. A.B.C. a. b.c. I. X.Y 1. 12. 1.2. v1.2.3 10.0.0.1 8.8.8.8
he'd she'd've what's Who's where're that'll that's this's let's Let's c'mon ma'am y'all
'' ' '' ''' `` "" "' '" ("') (') [']
it’s don’t I’m they’re we’ve James’ ’s ’em
a\b \n \t \") \\x /path/to/file C:\dir ~/home ./x ../y 
e-mail E-mail X-ray 9-to-5 anti-2000 2000-era -5 --5 5- 5--6 5-a a-5
"Mr. "Mr." (Mr.) Mr.X (e.g. e.g.) "U.S." U.S.A. U.S.-based
100,000.50 1,2,3 1;2 a;b a!b a?b a!!! a?! (a)b a(b) f(x) f(x,y) f() [0] x[1]
10:30 10:30am 10am. 10a.m. 5pm. 12 p.m. 3rd 1st 2nd-3rd 5ft 6in 5'6" 5g. 5m 5G
"""

CHINESE = r"""
我来到北京清华大学
他来到了网易杭研大厦
小明硕士毕业于中国科学院计算所，后在日本京都大学深造
永和服装饰品有限公司
工信处女干事每月经过下属科室都要亲口交代24口交换机等技术性器件的安装工作
在AT&T工作，用C++和c#写代码，T恤衫3.5%打折，价格12.50元，1.2.3版本
“这是一个伸手不见五指的黑夜。我叫孙悟空，我爱北京，我爱Python和C++。”
hello world, don't stop! foo_bar-baz.qux#1 3.14% 2.% .5 a.5%b
中文English混排text测试123号店1号店4S店
㐀㐁䶵䶶龥龦鿕鿖𠀀々〇
鄭振鐸《插圖本中國文學史》第三十二章
薛蟠、贾宝玉、林黛玉等人大闹宁国府，宝钗道：“罢了罢了。”
阿·托尔斯泰　全角空格　ＡＢＣ１２３！
雷猴，你好啊。哈哈哈哈哈哈哈哈，呵呵呵呵
结婚的和尚未结婚的确实在干扰分词啊
南京市长江大桥 研究生命起源 乒乓球拍卖完了
黄庭坚赠东坡诗云我诗如曹郐浅陋不成邦公如大国楚吞五湖三江
-- __ %% ++ #话题# &amp; 100%的 a&b AT&T公司 .com www.baidu.com
"""


def main():
    out = Path(sys.argv[1])
    tokenizer = spacy.blank("en").tokenizer
    cuts = {
        "english_words.txt": (ENGLISH, lambda text: [token.text for token in tokenizer(text)]),
        "chinese_words.txt": (CHINESE, lambda text: jieba.cut(text, cut_all=False, HMM=True)),
    }
    for name, (texts, cut) in cuts.items():
        lines = [f"{text}\t{' '.join(word for word in cut(text) if word.strip())}" for text in texts.strip().splitlines()]
        (out / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
