"""The world's numbering plans as a decision graph: written by scripts/compile_numbering.py, not by hand.

Made from the metadata of phonenumberslite 9.0.42 (Apache License 2.0).
"""

VERSION = "9.0.42"

# What the graph answers, by number; ZZ is a calling code of no country.
REGIONS = (
    "AC AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA"
    " CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG ER ES ET FI FJ FK FM FO FR "
    "GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP"
    " KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
    "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE"
    " RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TG TH TJ TK TL TM TN TO "
    "TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW ZZ"
)

# Rows of eleven: where each digit leads, and the answer if the number ends here. A row's number, or -1 - a region's.
# Signed 16-bit, big endian, deflated, base 85.
ROWS = (
    "c-ocP1-ukhABXWdXDqmMcXx-RSfD5tb_a?rf{kK;2$BW{ieR7!BDP>+gRPj@ih+qJBA}rD-`~z%mc9F&x$yG+?9SY0XD4=c@9v(975Q?$pFhRF"
    "=6{Q8$6exXaW5;f`T?Isj;wy<Ni`<btw?oiQr(7%_axf3q)q!6Z5Q10Qg2Bti;76K9I2Kk)e5BTRwUI*q*|F&tB`6{QmsZQN4zqsL8>)LwHB$?"
    "ChbEVQmsp>^++{9wE?L%r0f~5o}D(@c>YU12TFZLtdE+KYBN%8PO2?PTWv|Itw^;sskR~2wxrsQQjT~-)PYnxl4>VX?M&K-E~MI(RJSM9Zlv0s"
    "RC~~-Gaj|i&h^~l-wefSMmvydA5z_sRCgk6eP>eLg;aMX)xM<Kk5qS~yhmd9{Kq6Jqf1$795so0MZKf`sgF*LXiridK&pF@>fWU7??bBllInh>"
    "I*?TNC)EQe<%q{e2a)Q*q<RRc9!lDW!$|dTQayrHk0jNjNcCt^JuvqiI414ARIjD&(qBPQ+3fV#s7!R6rh~%kDD9m(|JMAi!Sd)NQazbePa)M)"
    "Nn1UQR8J?>Ge~s^sh&xyLn%4-VgL81nSAr3b4c}EQaz7U&nNA}1*AHhR4*jei%4|@sa{OEN8^%$clO@V3DMx_#OSQ(Y)vmsd+bVk{_#5bZ8$QS"
    "4o<E|MVF^NUqf3+J!c)Fv7~w>sg5Jn@uV$IAk~SaI*C*#lj>EZdNl=K_1C044mU(oNcB2Wy`EG9w8a}qbt<XeM5;HF>NHZlg#yov>8Y>SA<?a*"
    "dK;<UPO5j1wmFkj?<Cc`NOcye-c72rDew5_Z1y+TuxKu+-b<?UNcBF_w(lp^2T1inQhkV2A12jDDCLOfMDs~?0jWMls*jWQ;R#ZGl2o4})u%~y"
    "A*nt?s*gs`ZsGgZn&^2_eSuV8B-NKl`>=>q7nADCr1}b}zDlaEQQjw-*Gv39xI*t*gQ79fwb6{|p6I#gjm>{5DxpjCHmNQl)ptnsUD6icBh~jw"
    "^#fA<kW`nF>PM6u_s3iKd1p-YDXD%&s-KhU7o<J-l2pGU)n%mmHK~3>s^3!J6U=w1kHg~Vds6*@RDUGZpGe#MnN)uv)fJ@rE2*v|)!zv3rN5W*"
    "e5f7$L8_}s^-oe=L)z+EQe8)?f063nq`IC|H&DtE4~+gL)&EG<$OZ-mdLygv0{>J!sm7$b6{&7bs@u?}?~TzvnPYX?vES$|T|UWt&y1EwtD?a!"
    "{e5PUD@&?Hq*{(t%ait{0;yIc)k>sVnN+J#a_m)kbgn9?Rx5lban(cbEhTGioz+tw$)>J0sn#LYx};i<w8a3`2Bg}MR2z|MV^VEGDMvinH6zvL"
    "q}qa1Taxyn6{)r+)i$KsmQ>r3YJ1{0HP_U2DELl1J@@>n5sh*+HLayfN7pI*?Kw^6RqMJWb6o=?LwiKWN0&vTqc>d{*V$#pe?xy+S?0QvY7bKF"
    "Nvgd_wKu8mK&pMnmIePVveNBDsymbFE~L6EsrDt+ex$k^*~;Wh?3g__yXU^AhyH%C-t9rEdy?t^Qr(MG_a@bSNOfPb^})YBY;Xffb$?PlfK(48"
    ")q_a&U{XDVY(wsKwqN#<KQ#F{^jCtK?r>5)f>e(r)uTxDXi`0fRF5UAnR`ti7y8?Q>mN07hef?z@+!~#RW~pa5*qoh;RciHiKKcGsh&)#r;zHY"
    "q<R`zjo`Tbcy|V=4k6VuNp&cx4kOjGNcC(|Jw5kZ`<(m{dUrx{-p<V*p%0FOFL&pY>II}aoK!C))r&}V1gTz3wp{yvN#Ge38n2%3E+f^Eq&kXJ"
    "FDKQ}q<RIZjv<?$eFcpTk7Bz^Go#q<%4`jd^mcILNp%9LP9)Vyq&k^YuOii}$vSWp!(F3kXq@&2H-%KMBh~9kH9+-7Qk_bwH<8_dPcSzpM-v)l"
    "9pY{w)#;=<gH&%N)!Rt*c2d2AY)EeJXO=i8p)t~7?k-ZDMXGm`>TFV-L#p?X>Rhs6!4b|mZXT)LN2>Re>I0<uAgMk?st=Ruz3!2~Ur0malWW|3"
    "Qe8l*kCE!*r1}J@K1r%ik*&#nT6sD&YU!?Z)7+izQMWLup>f16?pacOj#Qr~)fY(hMN)l<R2Pxyn}}N+cozwc0*-O7km{?X`WmUePO5K^>YJqc"
    "7TK7>u|fBC@^femZ?SuaRNp1l_ek}9QvHBbKP1(qWCiEJeUv?_&<I>@_X(+fN~)ic>gS~T1*v{Xs$Y?6X#8xT`<hh0A=Ph5^*d5sPO9IN>JMZC"
    "H;$^gWyz!d<EBwHm-(B=Ah*PQtj{1nCAWq~zZSV)NOc9N{z|GVN%c2U{he%)_H9*Qv|$x#4S(Qs$?D*k*y`X2hH7x^s;OH?s(+E{-=w;pR5y_7"
    "KcxCEsfI?LCOadW9QZH2k!oP5S2gfYH73=qNOfzn$rz9N&u>%m>|{TMWzOB7(I}_)D7V(?`)z&d=u_sIT|DyS%NCA2xo+-wcb*#;jdsttpM4ph"
    "`CrgQ*3B-qmozQ17P?%L%-wH2?Myq@?z0c=7dye)*$=9x+vV2V9<o8!-afYX>@C|~^<I0-KC(}2oz1pe%&f2Ns=B*9V?FE@n_`Wuf&FMFCF>m!"
    "P|;T*8{n&wYBf@=PO3F1v<JRs{<6jMSf)n)d}wVc>#ptVWasMon!cW|7hI~AuU}9aaBG|PFSL&vZz-)7t|h-^mu=)5Yd@Q4Pn&9*d1RUe_qcg("
    "u0`;y=GI)Iv`Skxw?u1Q+N7;*bNAL#?NWOC&6mu1DEPU9@0d(G<+X;{X-nT$*PV6g5~^0-F7REgoSkT=+9><dI@wiv1?&{i(RU-&?xfm-RC|(Y"
    "FH-GIsymQsA5z_sRCglPoyj^DJ_df5<a$?oF8MuC><@dw9?<l8U*1>n6@4XN*>7(ZtjPCOT^O*+??$S-lWKob-Gfy3B-H_=x)<3(zc;DwLp(0O"
    "Z+5z0;I`1#R{8x&^#D>mkZcvUb5L?U&>tLl+#j@k?J~Q~ZnD4a413)lVn6E)jkHVc1-r=pvM=mE8)3bYv)a)1unVoS=I*o|?Ke%&(`9Nv9e)I="
    "9!aW4k?PT;dJL%^ORC3_>L9W@g-76z4<6T4e?q~}gM&+*n43E(xSqLotgW!e?OA`Q-Qf@Ohx?QDNWNw}==zGh*HOlTfQS8QWDET1q<RLa4k6Vu"
    "sd$@yXz}$%$xp+Adsl)#EA_S;{W+w2oJ*?bk?Q%RdI6~p&)7IEp3mFQ3j_Op(dLiOX84Oq^%7FOlvFPxZG9wZ*-@lrFDKQ}ly`Jj;CRQRp2f5M"
    "2tPJ>%jlGQj6)fpH$R+$YniCar1U-8c(0B3_g4j%8cIpOX0y-UiP`DZ1^rq-CAfTcjee59o_i6R_csRDGgX%<Df=|RPxfQ|b^Zo_Q)Y{#I?Yep"
    "g4gCP+3A&e?Pgu3>k@iS&hWRA>TRTYJE`75sx!%E<o4-K?D<_Np;zGoe>bVlro1)H!Mg7$^--J~tg};=o`-T@V5$54-2C<Wd-LWW$W9+j-J^$4"
    "9u6+|NU6t_dCkw#^ikY0GvyvEkLArz3Z1vyt&jUB{H)xwdWN5$ciWT2&q+HbppSo=R2P!!Go<<~sXj-l&y(s4r1~PMzC@~vNOdt;A3h5HWt3O4"
    "b9>rSf2#fIpR$*27yqgqV6W;^#Z&gV-D6$tE<4Va*kQK6%~YKiFx<aEHqXCFs&A3%+oZZAe><6<HkFdMrTE^zN4oF(r1}A=en^Ge@k_Ip;6C{!"
    "ere`b9z)u(<*zrHzT@BZANh}U{fU11)PI)L&$r+a$Sn6oiJ!jAoBt|Q?ahF1{MV!!p!zMTen+ayN%ebD{ee_}B-Nit^=DH3h3uQ+Blj!(isEVZ"
    "=VkV--EA-0Beu5<weD8W|Eh1TuiK$^ioI=X?Q47A-mzMKrCu$o1K#kzldblvNc9g2u64D2>i;CIVGXISrOaCVYQL^<&7l_JGnXw~GP9ijE1CaW"
    "m-T*wuK!6}lG`bLIsadBZJFyh+Oi`lTx;y(xL}EYV;675d&XM_*0zq4?L&4Q+v>7iXgvknD!Zj;qQt$*g_n!V#Cnd#<&*gerL8gECOfSdxUEul"
    "S~;$qa_=go?{8c+d;e;I^|sRM=y?0ij<SQTx%IPZ_O!}AR@FYRBQ;mWuC~F}#17GXYkShpFZgy`WGBbf?RGoJj<B7rZCoR+8P`(nA22SiL#lO2"
    "wH~R~C)Ea|+K^Nmk!oX7Z9=L|NwpcNHYe2<l=A5Gk6V#yYf^1Ps%=TN9jUe_)efZEkqXaw+$r=-h+D>;letNHrp&UlbbXConR`b4n)mE#oHu`+"
    "P1JSuxU0QuMe+7YJI%)0_14*@*#z6oD%s&l-Ov8DTkR*?%f7O+?dZI9w6T`<yFF^xYQAn#n%Q(a(EhQ}c23+q?qN5_J+0_}NIX{N"
)
