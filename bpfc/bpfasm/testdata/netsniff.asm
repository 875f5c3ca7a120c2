# Every spelling that bpfc of netsniff-ng has. netsniff.dd is what bpfc 0.6.8
# makes of it; to make it anew:
#	bpfc -b -i netsniff.asm >> netsniff.dd    (after its first line)

start:	ld #5
	ld [12]
	ld [ x + 12 ]
	ld [%x + 12]
	ld M[3]
	LD M[0xf]		; either case
	ld #0x10 ld #010 ld #0b101 ld #4294967295 ld #0
	ldi 7
	ldi #7
	ldh [12]
	ldh [x + 0x0c]
	ldb [12]
	LdB [X + 12]
	ldb [-4096]
	ldx #5
	ldx M[7]
	ldx 4*([14]&0xf)
	ldxb 4*([14]&15)
	ldxb 4 * ( [ 0x0e ] & 0xf )
	ldxi 9
	ldxi #9
	ld len ld #len ld pktlen ld #pktlen
	ldx len
	ldx #len
	ld pto ld #pto ld proto ld #proto ldh proto ldb proto
	ld type ldb #type
	ld poff ldh #poff
	ld ifx ld #ifidx ld ifidx
	ld nla ld #nlan ld mark ld #mark
	ld que ld queue ld Q ld #Q
	ld hat ld hatype ld rxh ld #rxhash ld cpu
	ld vlant ld vlan_tci ld vlana ld vlan_acc ld vlanp ld #vlanp
	st M[0]
	stx M[15]
	stx m[1]
	/* arithmetic,
	   all of it */
	add #1 sub #1 mul #1 div #1 mod #1 and #1 or #1 xor #1 lsh #1 rsh #1
	add x sub x mul x div x mod x and x or x xor x lsh x rsh x
	add %x sub %x and %x
	add #-1 and #-2
	neg tax txa NEG
	jmp skip
	ja skip
skip:	jeq #1, there
	jeq #1, there, here
	jeq x, there, here
	jeq %x, there
	jgt #1, there, here
	jgt x, there
	jge #0xffffffff, there, here
	jge %x, here, there
	jset #7, there, here
	jset x, there
here:	jneq #1, there
	jne #1, there
	jne x, there
	jlt #1, there
	jlt x, there
	jle #1, there
	jle %x, there
	jeq
		#1
		, there
		, next
next:	ret a
there:	ret %a
	ret #0
	ret #-1
	ret #0xffff
