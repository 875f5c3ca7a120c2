(000) ldh      [12]
(001) jeq      #0x86dd          jt 2	jf 8
(002) ldb      [20]
(003) jeq      #0x6             jt 4	jf 8
(004) ldh      [54]
(005) jeq      #0x50            jt 20	jf 6
(006) ldh      [56]
(007) jeq      #0x50            jt 20	jf 8
(008) ldh      [12]
(009) jeq      #0x800           jt 10	jf 44
(010) ldb      [23]
(011) jeq      #0x6             jt 12	jf 44
(012) ldh      [20]
(013) jset     #0x1fff          jt 44	jf 14
(014) ldxb     4*([14]&0xf)
(015) ldh      [x + 14]
(016) jeq      #0x50            jt 20	jf 17
(017) ldxb     4*([14]&0xf)
(018) ldh      [x + 16]
(019) jeq      #0x50            jt 20	jf 44
(020) ldh      [12]
(021) jeq      #0x800           jt 22	jf 24
(022) ld       [26]
(023) jeq      #0xa9fe0004      jt 48	jf 24
(024) ldh      [12]
(025) jeq      #0x800           jt 26	jf 28
(026) ld       [30]
(027) jeq      #0xa9fe0004      jt 48	jf 28
(028) ldh      [12]
(029) jeq      #0x806           jt 30	jf 32
(030) ld       [28]
(031) jeq      #0xa9fe0004      jt 48	jf 32
(032) ldh      [12]
(033) jeq      #0x806           jt 34	jf 36
(034) ld       [38]
(035) jeq      #0xa9fe0004      jt 48	jf 36
(036) ldh      [12]
(037) jeq      #0x8035          jt 38	jf 40
(038) ld       [28]
(039) jeq      #0xa9fe0004      jt 48	jf 40
(040) ldh      [12]
(041) jeq      #0x8035          jt 42	jf 44
(042) ld       [38]
(043) jeq      #0xa9fe0004      jt 48	jf 44
(044) ldh      [12]
(045) jeq      #0x800           jt 46	jf 49
(046) ldb      [23]
(047) jeq      #0x1             jt 48	jf 49
(048) ret      #8192
(049) ret      #0
