"""The messages of RFC 4475, byte by byte, and what an edge may make of each."""

from __future__ import annotations

from dataclasses import dataclass, field

REFUSED = frozenset(range(400, 700))
SILENT: frozenset[int] = frozenset({0})
PASSES = frozenset({200})  # a call that router-confd allows is answered by the callee


@dataclass(frozen=True)
class Torture:
    """One message. `allowed` holds the final statuses that the edge may give it, 0 is silence."""

    name: str  # the RFC's file name
    section: str
    title: str
    data: bytes = field(repr=False)
    allowed: frozenset[int]

    @property
    def is_call(self) -> bool:
        return self.allowed == PASSES and self.data.startswith(b"INVITE")


def _crlf(text: bytes) -> bytes:
    return text.strip(b"\n").replace(b"\n", b"\r\n")


def _message(head: bytes, body: bytes = b"") -> bytes:
    return _crlf(head) + b"\r\n\r\n" + body


def _sdp(address: bytes, start: bytes = b"0", *, end: bytes = b"") -> bytes:
    return (
        b"v=0\r\no=mhandley 29739 7272939 IN IP4 " + address + b"\r\ns=-\r\nc=IN IP4 " + address
        + b"\r\nt=" + start + b" 0\r\nm=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\n"
        b"a=rtpmap:31 LPC\r\n" + end
    )  # fmt: skip


_WSINV = _message(
    rb"""
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 150
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
""",
    _sdp(b"192.0.2.3").replace(b"c=IN IP4 192.0.2.3", b"c=IN IP4 192.0.2.4"),
)

_INTMETH = _message(
    rb"""
!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: "BEL:\{07} NUL:\{00} DEL:\{7F}" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="{russian}";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_`'~:{chinese}
Content-Length: 0
""".replace(b"{07}", b"\x07")  # noqa: E501
    .replace(b"{00}", b"\x00")
    .replace(b"{7F}", b"\x7f")
    .replace(b"{russian}", bytes.fromhex("D180D0B0D0B1D0BED182D0B0D18ED189D0B8D0B9"))
    .replace(b"{chinese}", bytes.fromhex("EFBBBFE5A4A7E5819CE99BBB"))
)

_ESC01 = _message(
    b"""
INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:%75se%72@example.com
From: <sip:I%20have%20spaces@example.net>;tag=938
Max-Forwards: 87
i: esc01.239409asdfakjkn23onasd0-3234
CSeq: 234234 INVITE
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw
C: application/sdp
Contact:
  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
Content-Length: 150
""",
    _sdp(b"192.0.2.1"),
)

_ESCNULL = _message(b"""
REGISTER sip:example.com SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0
""")

_ESC02 = _message(b"""
RE%47IST%45R sip:registrar.example.com SIP/2.0
To: "%Z%45" <sip:resource@example.com>
From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0
""")

_LWSDISP = _message(b"""
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw
l: 0
""")

_VIA_NAMES = (
    b"Via:", b"v:", b"V:", b"Via:", b"ViA:", b"VIa:", b"VIA:", b"via:", b"viA:", b"vIa:", b"vIA:",
    b"V :", b"v :", b"V  :", b"v  :", b"Via :", b"Via  :",
)  # fmt: skip
_LONGREQ = _message(
    b"\n".join([
        b"INVITE sip:user@example.com SIP/2.0",
        b'To: "I have a user name of ' + 10 * b"extreme" + b' proportion"<sip:user@example.com:6000'
        b";unknownparam1=very" + 20 * b"long" + b"value;longparam" + 25 * b"name"
        + b"=shortvalue;very" + 25 * b"long" + b"ParameterNameWithNoValue>",
        b"F: sip:" + 5 * b"amazinglylongcallername" + b"@example.net;tag=12" + 50 * b"982" + b"424"
        b";unknownheaderparam" + 20 * b"name" + b"=unknowheaderparam" + 15 * b"value"
        + b";unknownValueless" + 10 * b"paramname",
        b"Call-ID: longreq.one" + 20 * b"really" + b"longcallid",
        b"CSeq: 3882340 INVITE",
        b"Unknown-" + 20 * b"Long" + b"-Name: unknown-" + 20 * b"long" + b"-value; unknown-"
        + 20 * b"long" + b"-parameter-name = unknown-" + 20 * b"long" + b"-parameter-value",
        *(
            (_VIA_NAMES[33 - i] if 33 - i < len(_VIA_NAMES) else b"Via:")
            + b" SIP/2.0/TCP sip%d.example.com" % i
            for i in range(33, 0, -1)
        ),
        b"Via: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very" + 50 * b"long"
        + b"branchvalue",
        b"Max-Forwards: 70",
        b"Contact: <sip:" + 5 * b"amazinglylongcallername" + b"@host5.example.net>",
        b"Content-Type: application/sdp",
        b"l: 150",
    ]),
    _sdp(b"192.0.2.1"),
)  # fmt: skip

_DBLREQ = (
    _message(b"""
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0
""")
    + b"\r\n"
    + _message(
        b"""
INVITE sip:joe@example.com SIP/2.0
t: sip:joe@example.com
From: sip:caller@example.net;tag=141334
Max-Forwards: 8
Call-ID: dblreq.0ha0isnda977644900765@192.0.2.15
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw380234
Content-Type: application/sdp
Content-Length: 150
""",
        _sdp(b"192.0.2.15").replace(b"m=video", b"m =video"),
    )
)

_SEMIURI = _message(b"""
OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Call-ID: semiuri.0ha0isndaksdj
CSeq: 8 OPTIONS
Accept: application/sdp, application/pkcs7-mime,
        multipart/mixed, multipart/signed,
        message/sip, message/sipfrag
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw
l: 0
""")

_TRANSPORTS = _message(b"""
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: <sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID:  transports.kijh4akdnaqjkwendsasfdj
Accept: application/sdp
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw
Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf
Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj
Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en
Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee
l: 0
""")

# A signature in DER: the point is binary octets, NULs and line ends among them.
_PKCS7 = bytes.fromhex(
    "3082015206092A864886F70D010702A08201433082013F02"
    "01013109300706052B0E03021A300B06092A864886F70D010701318201203082"
    "011C020101307C3070310B300906035504061302555331133011060355040813"
    "0A43616C69666F726E69613111300F0603550407130853616E204A6F7365310E"
    "300C060355040A1305736970697431293027060355040B132053697069742054"
    "65737420436572746966696361746520417574686F7269747902080195007102"
    "330113300706052B0E03021A300D06092A864886F70D0101010500048180"
    "8EF466F948F0522DD2E5978E9D95AAE9F2FE15A06659716292E8DA2AA8D8350A"
    "68CEFFAE3CBD2BFF1675DDD5648E593DD64728F26220F7E941749E330D9A15ED"
    "ABDBD10C42102E7B7289D29CC0C9AE2EFBC7C0CFF9172F3B027E4FC027E1546D"
    "E4B6AA3AECBB3E66CCCB5DD6C64B8383149CB8E6FF182D944FE57B65BC99D005"
)
_MPART01 = _message(
    b"""
MESSAGE sip:kumiko@example.org SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport
Max-Forwards: 70
Route: <sip:127.0.0.1:5080>
Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLIK0YWVKZhKv9Mj8UeXqkMVbnVq37CD+813gvYjcBUaZngQmXc9WNZSDNGCzA+fWl9MEUHWIZo1CeJebdY/XlgKeTa0Olvq0rt70Q5jiSfbqMJmQFteeivUhkMWYUA=
Contact: <sip:fluffy@127.0.0.1:5070>
To: <sip:kumiko@example.org>
From: <sip:fluffy@example.com>;tag=2fb0dcc9
Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..
CSeq: 1 MESSAGE
Content-Transfer-Encoding: binary
Content-Type: multipart/mixed;boundary=7a9cbec02ceef655
Date: Sat, 15 Oct 2005 04:44:56 GMT
User-Agent: SIPimp.org/0.2.5 (curses)
Content-Length: 553
""",  # noqa: E501
    _crlf(b"""
--7a9cbec02ceef655
Content-Type: text/plain
Content-Transfer-Encoding: binary

Hello
--7a9cbec02ceef655
Content-Type: application/octet-stream
Content-Transfer-Encoding: binary
""")
    + b"\r\n\r\n" + _PKCS7 + b"\r\n--7a9cbec02ceef655--\r\n",
)  # fmt: skip

_UNREASON = _message(
    b"SIP/2.0 200 = 2**3 * 5**2 "
    + "но сто девяносто девять - простое".encode()
    + b"""
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host198.example.com>
""",
    _sdp(b"192.0.2.198"),
)

_NOREASON = _message(b"""
SIP/2.0 100\x20
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>
""")

_BADINV01 = _message(
    b"""
INVITE sip:user@example.com SIP/2.0
To: sip:j.user@example.com
From: sip:caller@example.net;tag=134161461246
Max-Forwards: 7
Call-ID: badinv01.0ha0isndaksdjasdf3234nas
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;;,;,,
Contact: "Joe" <sip:joe@example.org>;;;;
Content-Length: 152
Content-Type: application/sdp
""",
    _sdp(b"192.0.2.15"),
)

_CLERR = _message(
    b"""
INVITE sip:user@example.com SIP/2.0
Max-Forwards: 80
To: sip:j.user@example.com
From: sip:caller@example.net;tag=93942939o2
Contact: <sip:caller@hungry.example.net>
Call-ID: clerr.0ha0isndaksdjweiafasdk3
CSeq: 8 INVITE
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bK-39234-23523
Content-Type: application/sdp
Content-Length: 9999
""",
    _sdp(b"192.0.2.155"),
)

_NCL = _message(
    b"""
INVITE sip:user@example.com SIP/2.0
Max-Forwards: 254
To: sip:j.user@example.com
From: sip:caller@example.net;tag=32394234
Call-ID: ncl.0ha0isndaksdj2193423r542w35
CSeq: 0 INVITE
Via: SIP/2.0/UDP 192.0.2.53;branch=z9hG4bKkdjuw
Contact: <sip:caller@example53.example.net>
Content-Type: application/sdp
Content-Length: -999
""",
    _sdp(b"192.0.2.53"),
)

_SCALAR02 = _message(
    b"""
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bK342sdfoi3
To: <sip:user@example.com>
From: <sip:user@example.com>;tag=239232jh3
CSeq: 36893488147419103232 REGISTER
Call-ID: scalar02.23o0pd9vanlq3wnrlnewofjas9ui32
Max-Forwards: 300
Expires: 1"""
    + 100 * b"0"
    + b"""
Contact: <sip:user@host129.example.com>
  ;expires=280297596632815
Content-Length: 0
"""
)

_SCALARLG = _message(b"""
SIP/2.0 503 Service Unavailable
Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2.129
To: <sip:user@example.com>
From: <sip:other@example.net>;tag=2easdjfejw
CSeq: 9292394834772304023312 OPTIONS
Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r
Retry-After: 949302838503028349304023988
Warning: 1812 overture "In Progress"
Content-Length: 0
""")

_QUOTBAL = _message(
    b"""
INVITE sip:user@example.com SIP/2.0
To: "Mr. J. User <sip:j.user@example.com>
From: sip:caller@example.net;tag=93334
Max-Forwards: 10
Call-ID: quotbal.aksdj
Contact: <sip:caller@host59.example.net>
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.59:5050;branch=z9hG4bKkdjuw39234
Content-Type: application/sdp
Content-Length: 152
""",
    _sdp(b"192.0.2.15"),
)

_LTGTRURI = _message(
    b"""
INVITE <sip:user@example.com> SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=39291
Max-Forwards: 23
Call-ID: ltgtruri.1@192.0.2.5
CSeq: 1 INVITE
Via: SIP/2.0/UDP 192.0.2.5
Contact: <sip:caller@host5.example.net>
Content-Type: application/sdp
Content-Length: 159
""",
    _sdp(b"192.0.2.5", b"3149328700"),
)

_LWSRURI = _message(
    b"""
INVITE sip:user@example.com; lr SIP/2.0
To: sip:user@example.com;tag=3xfe-9921883-z9f
From: sip:caller@example.net;tag=231413434
Max-Forwards: 5
Call-ID: lwsruri.asdfasdoeoi2323-asdfwrn23-asd834rk423
CSeq: 2130706432 INVITE
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKkdjuw2395
Contact: <sip:caller@host1.example.net>
Content-Type: application/sdp
Content-Length: 159
""",
    _sdp(b"192.0.2.1", b"3149328700"),
)

_LWSSTART = _message(
    b"""
INVITE  sip:user@example.com  SIP/2.0
Max-Forwards: 8
To: sip:user@example.com
From: sip:caller@example.net;tag=8814
Call-ID: lwsstart.dfknq234oi243099adsdfnawe3@example.com
CSeq: 1893884 INVITE
Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw3923
Contact: <sip:caller@host1.example.net>
Content-Type: application/sdp
Content-Length: 150
""",
    _sdp(b"192.0.2.1"),
)

_TRWS = _message(b"""
OPTIONS sip:remote-target@example.com SIP/2.0\x20\x20
Via: SIP/2.0/TCP host1.examle.com;branch=z9hG4bK299342093
To: <sip:remote-target@example.com>
From: <sip:local-resource@example.com>;tag=329429089
Call-ID: trws.oicu34958239neffasdhr2345r
Accept: application/sdp
CSeq: 238923 OPTIONS
Max-Forwards: 70
Content-Length: 0
""")

_ESCRURI = _message(
    b"""
INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=341518
Max-Forwards: 7
Contact: <sip:caller@host39923.example.net>
Call-ID: escruri.23940-asdfhj-aje3br-234q098w-fawerh2q-h4n5
CSeq: 149209342 INVITE
Via: SIP/2.0/UDP host-of-the-hour.example.com;branch=z9hG4bKkdjuw
Content-Type: application/sdp
Content-Length: 150
""",
    _sdp(b"192.0.2.1"),
)

_BADDATE = _message(
    b"""
INVITE sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=2234923
Max-Forwards: 70
Call-ID: baddate.239423mnsadf3j23lj42--sedfnm234
CSeq: 1392934 INVITE
Via: SIP/2.0/UDP host.example.com;branch=z9hG4bKkdjuw
Date: Fri, 01 Jan 2010 16:00:00 EST
Contact: <sip:caller@host5.example.net>
Content-Type: application/sdp
Content-Length: 150
""",
    _sdp(b"192.0.2.5"),
)

_REGBADCT = _message(b"""
REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=998332
Max-Forwards: 70
Call-ID: regbadct.k345asrl3fdbv@10.0.0.1
CSeq: 1 REGISTER
Via: SIP/2.0/UDP 135.180.130.133:5060;branch=z9hG4bKkdjuw
Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E
l: 0
""")

_BADASPEC = _message(b"""
OPTIONS sip:user@example.org SIP/2.0
Via: SIP/2.0/UDP host4.example.com:5060;branch=z9hG4bKkdju43234
Max-Forwards: 70
From: "Bell, Alexander" <sip:a.g.bell@example.com>;tag=433423
To: "Watson, Thomas" < sip:t.watson@example.org >
Call-ID: badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3
Accept: application/sdp
CSeq: 3923239 OPTIONS
l: 0
""")

_BADDN = _message(b"""
OPTIONS sip:t.watson@example.org SIP/2.0
Via:     SIP/2.0/UDP c.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards:      70
From:    Bell, Alexander <sip:a.g.bell@example.com>;tag=43
To:      Watson, Thomas <sip:t.watson@example.org>
Call-ID: baddn.31415@c.example.com
Accept: application/sdp
CSeq:    3923239 OPTIONS
l: 0
""")

_BADVERS = _message(b"""
OPTIONS sip:t.watson@example.org SIP/7.0
Via:     SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw
Max-Forwards:     70
From:    A. Bell <sip:a.g.bell@example.com>;tag=qweoiqpe
To:      T. Watson <sip:t.watson@example.org>
Call-ID: badvers.31417@c.example.com
CSeq:    1 OPTIONS
l: 0
""")

_MISMATCH01 = _message(b"""
OPTIONS sip:user@example.com SIP/2.0
To: sip:j.user@example.com
From: sip:caller@example.net;tag=34525
Max-Forwards: 6
Call-ID: mismatch01.dj0234sxdfl3
CSeq: 8 INVITE
Via: SIP/2.0/UDP host.example.com;branch=z9hG4bKkdjuw
l: 0
""")

_MISMATCH02 = _message(
    b"""
NEWMETHOD sip:user@example.com SIP/2.0
To: sip:j.user@example.com
From: sip:caller@example.net;tag=34525
Max-Forwards: 6
Call-ID: mismatch02.dj0234sxdfl3
CSeq: 8 INVITE
Contact: <sip:caller@host.example.net>
Via: SIP/2.0/UDP host.example.net;branch=z9hG4bKkdjuw
Content-Type: application/sdp
l: 138
""",
    _sdp(b"192.0.2.1").replace(b"s=-\r\n", b"").replace(b"t=0 0\r\n", b""),
)

_BIGCODE = _message(b"""
SIP/2.0 4294967301 better not break the receiver
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i
CSeq: 353494 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>
""")

_BADBRANCH = _message(b"""
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK
Accept: application/sdp
Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n
CSeq: 8 OPTIONS
l: 0
""")

_INSUF = _message(
    b"""
INVITE sip:user@example.com SIP/2.0
CSeq: 193942 INVITE
Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf
Content-Type: application/sdp
l: 152
""",
    _sdp(b"192.0.2.95"),
)

_UNKSCM = _message(b"""
OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: unkscm.nasdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0
""")

_NOVELSC = _message(b"""
OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: novelsc.asdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0
""")

_UNKSM2 = _message(b"""
REGISTER sip:example.com SIP/2.0
To: isbn:2983792873
From: <http://www.example.com>;tag=3234233
Call-ID: unksm2.daksdj@hyphenated-host.example.com
CSeq: 234902 REGISTER
Max-Forwards: 70
Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw
Contact: <name:John_Smith>
l: 0
""")

_BEXT01 = _message(b"""
OPTIONS sip:user@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.net;tag=242etr
Max-Forwards: 6
Call-ID: bext01.0ha0isndaksdj
Require: nothingSupportsThis, nothingSupportsThisEither
Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis
CSeq: 8 OPTIONS
Via: SIP/2.0/TLS fold-and-staple.example.com;branch=z9hG4bKkdjuw
Content-Length: 0
""")

_INVUT = _message(
    b"""
INVITE sip:user@example.com SIP/2.0
Contact: <sip:caller@host5.example.net>
To: sip:j.user@example.com
From: sip:caller@example.net;tag=8392034
Max-Forwards: 70
Call-ID: invut.0ha0isndaksdjadsfij34n23d
CSeq: 235448 INVITE
Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw
Content-Type: application/unknownformat
Content-Length: 40
""",
    b'<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n',
)

_REGAUT01 = _message(b"""
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=87321hj23128
Max-Forwards: 8
Call-ID: regaut01.0ha0isndaksdj
CSeq: 9338 REGISTER
Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bKkdjuw
Authorization: NoOneKnowsThisScheme opaque-data=here
Content-Length:0
""")

_MULTI01 = _message(
    b"""
INVITE sip:user@company.com SIP/2.0
Contact: <sip:caller@host25.example.net>
Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw
Max-Forwards: 70
CSeq: 5 INVITE
Call-ID: multi01.98asdh@192.0.2.1
CSeq: 59 INVITE
Call-ID: multi01.98asdh@192.0.2.2
From: sip:caller@example.com;tag=3413415
To: sip:user@example.com
To: sip:other@example.net
From: sip:caller@example.net;tag=2923420123
Content-Type: application/sdp
l: 154
Contact: <sip:caller@host36.example.net>
Max-Forwards: 5
""",
    _sdp(b"192.0.2.25", end=b"\r\n"),
)

_MCL01 = _message(
    b"""
OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423
To: sip:user@example.com
From: sip:other@example.net;tag=3923942
Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf
CSeq: 15932 OPTIONS
Content-Length: 13
Max-Forwards: 60
Content-Length: 5
Content-Type: text/plain
""",
    b"There's no way to know how many octets are supposed to be here.\r\n",
)

_BCAST = _message(
    b"""
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>
""",
    _sdp(b"192.0.2.198"),
)

_ZEROMF = _message(b"""
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=3ghsd41
Call-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas
CSeq: 39234321 OPTIONS
Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw2349i
Max-Forwards: 0
Content-Length: 0
""")

_CPARAM01 = _message(b"""
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe
To: sip:watson@example.com
Call-ID: cparam01.70710@saturn.example.com
CSeq: 2 REGISTER
Contact: sip:+19725552222@gw1.example.net;unknownparam
l: 0
""")

_CPARAM02 = _message(b"""
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=838293
To: sip:watson@example.com
Call-ID: cparam02.70710@saturn.example.com
CSeq: 3 REGISTER
Contact: <sip:+19725552222@gw1.example.net;unknownparam>
l: 0
""")

_REGESCRT = _message(b"""
REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=8
Max-Forwards: 70
Call-ID: regescrt.k345asrl3fdbv@192.0.2.1
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>
L:0
""")

_SDP01 = _message(
    b"""
INVITE sip:user@example.com SIP/2.0
To: sip:j_user@example.com
Contact: <sip:caller@host15.example.net>
From: sip:caller@example.net;tag=234
Max-Forwards: 5
Call-ID: sdp01.ndaksdj9342dasdd
Accept: text/nobodyKnowsThis
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw
Content-Length: 150
Content-Type: application/sdp
""",
    _sdp(b"192.0.2.5"),
)

_INV2543 = _message(
    b"""
INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp
""",
    b"v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\n"
    b"m=audio 49217 RTP/AVP 0\r\n",
)

_NO_METHOD = frozenset({405})  # only the methods of calls get past the edge
MESSAGES = (
    # 481: the edge serves only dialogs that it knows. Silence where more is allowed: Kamailio drops
    # what it cannot parse, and that is more than the RFC calls malformed.
    Torture("wsinv", "3.1.1.1", "short tortuous INVITE", _WSINV, frozenset({481, 0})),
    Torture("intmeth", "3.1.1.2", "wide range of valid characters", _INTMETH, _NO_METHOD | SILENT),
    Torture("esc01", "3.1.1.3", "percent escapes", _ESC01, PASSES),
    Torture("escnull", "3.1.1.4", "escaped NULs in URIs", _ESCNULL, _NO_METHOD),
    Torture("esc02", "3.1.1.5", "percent that is no escape", _ESC02, _NO_METHOD | SILENT),
    Torture("lwsdisp", "3.1.1.6", "no space before the bracket", _LWSDISP, PASSES),
    Torture("longreq", "3.1.1.7", "long values", _LONGREQ, PASSES),
    Torture("dblreq", "3.1.1.8", "extra octets in the datagram", _DBLREQ, frozenset({400, 405})),
    Torture("semiuri", "3.1.1.9", "semicolons in the user part", _SEMIURI, PASSES),
    Torture("transports", "3.1.1.10", "unknown transports in Vias", _TRANSPORTS, PASSES),
    Torture("mpart01", "3.1.1.11", "multipart body", _MPART01, _NO_METHOD),
    Torture("unreason", "3.1.1.12", "unusual reason phrase", _UNREASON, SILENT),
    Torture("noreason", "3.1.1.13", "empty reason phrase", _NOREASON, SILENT),
    Torture("badinv01", "3.1.2.1", "extraneous separators", _BADINV01, REFUSED | SILENT),
    Torture("clerr", "3.1.2.2", "Content-Length too large", _CLERR, REFUSED),
    Torture("ncl", "3.1.2.3", "negative Content-Length", _NCL, REFUSED | SILENT),
    Torture("scalar02", "3.1.2.4", "overlarge numbers in a request", _SCALAR02, REFUSED | SILENT),
    Torture("scalarlg", "3.1.2.5", "overlarge numbers in a response", _SCALARLG, SILENT),
    Torture("quotbal", "3.1.2.6", "unterminated quoted string", _QUOTBAL, REFUSED | SILENT),
    Torture("ltgtruri", "3.1.2.7", "Request-URI in brackets", _LTGTRURI, REFUSED | SILENT),
    Torture("lwsruri", "3.1.2.8", "white space in the Request-URI", _LWSRURI, REFUSED | SILENT),
    Torture("lwsstart", "3.1.2.9", "many spaces in the request line", _LWSSTART, REFUSED | SILENT),
    Torture("trws", "3.1.2.10", "spaces behind the request line", _TRWS, PASSES | REFUSED | SILENT),
    Torture("escruri", "3.1.2.11", "headers in the Request-URI", _ESCRURI, REFUSED),
    # a proxy does not look at Date
    Torture("baddate", "3.1.2.12", "invalid time zone", _BADDATE, PASSES),
    Torture("regbadct", "3.1.2.13", "Contact without brackets", _REGBADCT, REFUSED),
    Torture("badaspec", "3.1.2.14", "spaces within an addr-spec", _BADASPEC, PASSES | REFUSED),
    Torture("baddn", "3.1.2.15", "comma in an unquoted name", _BADDN, PASSES | REFUSED),
    Torture("badvers", "3.1.2.16", "unknown protocol version", _BADVERS, frozenset({505, 0})),
    Torture("mismatch01", "3.1.2.17", "methods differ", _MISMATCH01, REFUSED),
    Torture("mismatch02", "3.1.2.18", "methods differ, one unknown", _MISMATCH02, REFUSED),
    Torture("bigcode", "3.1.2.19", "overlarge response code", _BIGCODE, SILENT),
    Torture("badbranch", "3.2.1", "missing transaction identifier", _BADBRANCH, PASSES | REFUSED),
    Torture("insuf", "3.3.1", "missing required headers", _INSUF, REFUSED | SILENT),
    Torture("unkscm", "3.3.2", "unknown scheme", _UNKSCM, frozenset({416, 400, 0})),
    Torture("novelsc", "3.3.3", "atypical scheme", _NOVELSC, frozenset({416, 400, 0})),
    Torture("unksm2", "3.3.4", "unknown schemes in headers", _UNKSM2, REFUSED),
    Torture("bext01", "3.3.5", "Proxy-Require", _BEXT01, frozenset({420})),
    Torture("invut", "3.3.6", "unknown Content-Type", _INVUT, PASSES),
    Torture("regaut01", "3.3.7", "unknown authorization scheme", _REGAUT01, frozenset({400, 405})),
    Torture("multi01", "3.3.8", "many values of single headers", _MULTI01, REFUSED | SILENT),
    Torture("mcl01", "3.3.9", "two Content-Lengths", _MCL01, REFUSED | SILENT),
    Torture("bcast", "3.3.10", "response for a broadcast Via", _BCAST, SILENT),
    Torture("zeromf", "3.3.11", "Max-Forwards of zero", _ZEROMF, frozenset({483})),
    Torture("cparam01", "3.3.12", "REGISTER, Contact parameter", _CPARAM01, _NO_METHOD),
    Torture("cparam02", "3.3.13", "REGISTER, URI parameter", _CPARAM02, _NO_METHOD),
    Torture("regescrt", "3.3.14", "REGISTER, URI with Route", _REGESCRT, _NO_METHOD),
    Torture("sdp01", "3.3.15", "unacceptable Accept", _SDP01, PASSES),
    Torture("inv2543", "3.4.1", "INVITE of RFC 2543", _INV2543, PASSES | REFUSED),
)
