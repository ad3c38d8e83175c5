"""Which postcodes lie in which state: what `build.py` makes coherent rows of places from.

A pattern is a postcode with # for any digit and ? for any letter; a state may have several. Sources: the postal
services' public prefix lists, as far as whole prefixes lie in one state. A prefix that crosses a border is left out.
"""

from __future__ import annotations

from typing import Final

Region = tuple[str, str, tuple[str, ...]]
"""A state's name, its code, and the patterns of its postcodes."""


def _regions(table: str, shape: str) -> tuple[Region, ...]:
    """Read lines of `name|code|prefixes`; `shape` says how long a postcode is, and where its separator is."""
    rows = []
    for line in table.strip().splitlines():
        name, code, prefixes = line.split("|")
        rows.append((name, code, tuple(_pattern(prefix, shape) for prefix in prefixes.split())))
    return tuple(rows)


def _pattern(prefix: str, shape: str) -> str:
    """Lay a prefix over the shape.

    >>> _pattern("0100", "###-####"), _pattern("SW", "# #??")
    ('010-0###', 'SW# #??')
    """
    if prefix.isalpha():
        return prefix + shape
    pattern, rest = "", list(prefix)
    for sign in shape:
        pattern += rest.pop(0) if sign == "#" and rest else sign
    return pattern


GERMANY: Final = _regions(
    """
Baden-Württemberg|BW|70 71 72 73 75 76 77 78 79
Bayern|BY|80 81 82 83 84 85 86 90 91 92 93 94 95
Berlin|BE|10 120 121 122 123 130 131 133 134
Brandenburg|BB|144 145 146 147 150 152 153 155 156 162 163 030 031
Bremen|HB|280 281 282 283 275
Hamburg|HH|200 201 202 203 204 210 211 221 222 223 224 225
Hessen|HE|341 342 350 351 352 353 355 360 603 604 605 610 611 632 634 635 642 643 651 652 653
Mecklenburg-Vorpommern|MV|170 171 172 180 181 182 183 184 185 190
Niedersachsen|NI|300 301 303 304 305 306 308 309 311 312 313 316 380 381 382 383 260 261 262 490 491 495
Nordrhein-Westfalen|NW|40 41 42 44 45 46 47 50 51 52 58 59 320 321 325 330 331 335 480 481 483
Rheinland-Pfalz|RP|541 542 543 545 546 551 552 553 560 561 562 563 567 568 670 671 672 673 674 676
Saarland|SL|661 662 663 664 665 666 667
Sachsen|SN|010 011 012 013 014 016 018 026 027 028 029 041 042 043 080 081 082 083 084 085 086 090 091 094 096
Sachsen-Anhalt|ST|061 062 063 064 068 388 390 391 392 393 394 395
Schleswig-Holstein|SH|230 235 236 237 238 240 241 242 243 244 245 246 247 248 249 253 254 255 257
Thüringen|TH|070 072 073 074 075 077 985 986 990 994 997 998 999
""",
    "#####",
)

SPAIN: Final = tuple(
    (name, code, (f"{code}0##", f"{code}1##", f"{code}2##", f"{code}4##"))
    for number, name in enumerate(
        (
            "Álava", "Albacete", "Alicante", "Almería", "Ávila", "Badajoz", "Islas Baleares", "Barcelona", "Burgos",
            "Cáceres", "Cádiz", "Castellón", "Ciudad Real", "Córdoba", "La Coruña", "Cuenca", "Girona", "Granada",
            "Guadalajara", "Guipúzcoa", "Huelva", "Huesca", "Jaén", "León", "Lleida", "La Rioja", "Lugo", "Madrid",
            "Málaga", "Murcia", "Navarra", "Ourense", "Asturias", "Palencia", "Las Palmas", "Pontevedra", "Salamanca",
            "Santa Cruz de Tenerife", "Cantabria", "Segovia", "Sevilla", "Soria", "Tarragona", "Teruel", "Toledo",
            "Valencia", "Valladolid", "Vizcaya", "Zamora", "Zaragoza", "Ceuta", "Melilla",
        ),
        start=1,
    )
    for code in (f"{number:02d}",)
)  # fmt: skip

BRAZIL: Final = _regions(
    """
Acre|AC|699
Alagoas|AL|57
Amapá|AP|689
Amazonas|AM|690 691 694
Bahia|BA|40 41 42 43 44 45 46 47 48
Ceará|CE|60 61 62 63
Distrito Federal|DF|700 701 702 703 704 705 706 707 710 711 712 713 714 715 716 717 718 719
Espírito Santo|ES|29
Goiás|GO|74 75 760 761 762 763
Maranhão|MA|65
Mato Grosso|MT|780 781 782 783 784 785
Mato Grosso do Sul|MS|79
Minas Gerais|MG|30 31 32 33 34 35 36 37 38 39
Pará|PA|66 67 680 681 682 683 684 685 686
Paraíba|PB|58
Paraná|PR|80 81 82 83 84 85 86 87
Pernambuco|PE|50 51 52 53 54 55 56
Piauí|PI|64
Rio de Janeiro|RJ|20 21 22 23 24 25 26 27 28
Rio Grande do Norte|RN|59
Rio Grande do Sul|RS|90 91 92 93 94 95 96 97 98 99
Rondônia|RO|768 769
Roraima|RR|693
Santa Catarina|SC|88 89
São Paulo|SP|01 02 03 04 05 06 07 08 09 11 12 13 14 15 16 17 18 19
Sergipe|SE|49
Tocantins|TO|770 771 772 773 774 775 776 777
""",
    "#####-###",
)

NETHERLANDS: Final = _regions(
    """
Drenthe|DR|940 941 942 943 947 948 949 780 781 782 783 784 793 794
Flevoland|FL|131 132 133 135 136 821 822 823 824 825
Friesland|FR|840 841 843 844 845 846 847 850 851 853 860 861 862 880 881 882 891 892 893
Gelderland|GE|651 652 653 654 660 670 671 680 681 682 683 690 691 700 701 710 720 731 732 733 735 810
Groningen|GR|970 971 972 973 974 975 976 977 980 981 990 993 995 996
Limburg|LI|580 591 592 593 597 600 604 610 611 613 616 620 621 622 630 640 641 642 645 646
Noord-Brabant|NB|460 461 462 470 481 482 483 484 500 501 502 503 504 520 521 522 534 546 561 562 563 570 571
Noord-Holland|NH|101 102 103 105 106 107 108 109 118 143 150 151 171 181 182 194 195 201 202 203 211 213
Overijssel|OV|741 742 751 752 753 754 755 760 761 770 771 801 802 803 811
Utrecht|UT|345 351 352 353 354 355 356 370 371 381 382 383 390
Zeeland|ZE|433 434 435 438 446 450 453 454
Zuid-Holland|ZH|221 223 231 232 240 249 251 252 254 255 256 261 262 271 280 301 302 303 304 305 306 311 331
""",
    "#### ??",
)

JAPAN: Final = _regions(
    """
北海道|01|001 003 004 005 006 007 040 041 050 060 062 063 064 065 070 080 090
青森県|02|030 031 033 034 035 036 037 038
岩手県|03|020 021 023 024 025 026 027 028 029
宮城県|04|980 981 982 983 984 985 986 987 988 989
秋田県|05|010 011 012 013 014 015 016 017 019
山形県|06|990 991 992 993 994 995 996 997 998 999
福島県|07|960 961 962 963 964 965 966 967 969 970 971
茨城県|08|300 301 302 303 305 307 308 309 310 311 312 313 315 316 317 319
栃木県|09|320 321 322 323 324 325 326 327 328 329
群馬県|10|370 371 372 373 374 375 376 377 378 379
埼玉県|11|330 331 332 333 334 335 336 337 338 340 341 342 343 344 345 346 347 350 351 352 353 354 355
千葉県|12|260 261 262 263 264 265 266 270 271 272 273 274 275 276 277 278 279 283 285 286 290 292
東京都|13|100 101 102 103 104 105 106 107 108 110 111 112 113 114 115 116 120 130 140 150 160 170 180
神奈川県|14|210 211 212 213 214 215 220 221 222 223 224 230 231 240 241 250 251 252
新潟県|15|940 941 942 943 944 945 946 947 950 951 952 953 954 955 956 957 958 959
富山県|16|930 931 932 933 934 935 936 937 938
石川県|17|920 921 922 923 924 925 926 927 928 929
福井県|18|910 911 912 913 914 915 916 917 918 919
山梨県|19|400 401 402 403 404 405 406 407 408 409
長野県|20|380 381 382 383 384 385 386 387 388 390 391 392 393 394 395 396 397 398 399
岐阜県|21|500 501 502 503 504 505 506 507 508 509
静岡県|22|410 411 412 413 414 415 416 417 418 419 420 421 422 424 425 426 430 431 432 433 434 435
愛知県|23|440 441 442 443 444 445 446 447 448 450 451 452 453 454 455 456 457 458 460 461 470 480 490
三重県|24|510 511 512 513 514 515 516 517 518 519
滋賀県|25|520 521 522 523 524 525 526 527 528 529
京都府|26|600 601 602 603 604 605 606 607 610 611 612 613 614 615 616 617 620
大阪府|27|530 531 532 533 534 535 536 537 538 540 541 550 560 570 580 590 591 592 593 594 595
兵庫県|28|650 651 652 653 654 655 656 657 658 660 661 662 663 670 671 672 673 674 675
奈良県|29|630 631 632 633 634 635 636 637 638 639
和歌山県|30|640 641 642 643 644 645 646 647 648 649
鳥取県|31|680 681 682 683 689
島根県|32|690 691 692 693 694 695 696 697 698 699
岡山県|33|700 701 702 703 704 705 706 707 708 709
広島県|34|720 721 722 723 724 725 726 727 728 729 730 731 732 733 734 735 736 737 738 739
山口県|35|740 741 742 743 744 745 746 747 748 750 751 752 753 754 755 756 757 758 759
徳島県|36|770 771 772 773 774 775 776 777 778 779
香川県|37|760 761 762 763 764 765 766 767 768 769
愛媛県|38|790 791 792 793 794 795 796 797 798 799
高知県|39|780 781 782 783 784 785 786 787 788 789
福岡県|40|800 801 802 803 804 805 806 807 808 809 810 811 812 813 814 815 816 819 820 830 831 836
佐賀県|41|840 841 842 843 844 845 846 847 848 849
長崎県|42|850 851 852 853 854 855 856 857 858 859
熊本県|43|860 861 862 863 864 865 866 867 868 869
大分県|44|870 871 872 873 874 875 876 877 878 879
宮崎県|45|880 881 882 883 884 885 886 887 888 889
鹿児島県|46|890 891 892 893 894 895 896 897 898 899
沖縄県|47|900 901 902 903 904 905 906 907
""",
    "###-####",
)

INDIA: Final = _regions(
    """
आंध्र प्रदेश|AP|515 516 517 518 520 521 522 523 524 530 531 532 534
अरुणाचल प्रदेश|AR|790 791 792
असम|AS|781 782 783 784 785 786 787 788
बिहार|BR|800 801 802 803 804 805 841 842 843 844 845 846 847 848 852 853 854 855
छत्तीसगढ़|CT|490 491 492 493 494 495 496 497
दिल्ली|DL|110
गोवा|GA|403
गुजरात|GJ|360 361 363 364 365 370 380 382 383 384 385 387 388 389 390 391 392 393 394 395
हरियाणा|HR|121 122 123 124 125 126 127 128 129 131 132 135 136
हिमाचल प्रदेश|HP|171 172 173 174 175 176 177
झारखंड|JH|814 815 816 822 825 826 827 828 829 831 832 833 834 835
कर्नाटक|KA|560 561 562 563 570 571 572 573 574 575 576 577 580 581 582 583 584 585 586 587 590 591
केरल|KL|670 671 673 676 678 679 680 682 683 685 686 688 689 690 691 695
मध्य प्रदेश|MP|450 451 452 453 454 455 456 457 458 460 461 462 464 465 466 470 471 472 473 474 480 482
महाराष्ट्र|MH|400 401 402 410 411 412 413 414 415 416 421 422 423 424 425 431 440 441 442 443 444 445
मणिपुर|MN|795
मेघालय|ML|793 794
मिज़ोरम|MZ|796
नागालैंड|NL|797 798
ओडिशा|OR|751 752 753 754 755 756 757 758 759 760 761 762 764 765 766 767 768 769 770
पंजाब|PB|141 142 143 144 145 146 147 148 151 152
राजस्थान|RJ|301 302 303 304 305 306 307 311 312 313 314 321 322 323 324 325 326 327 331 332 333 334 341 342
सिक्किम|SK|737
तमिल नाडु|TN|600 601 602 603 604 606 610 612 613 614 620 621 622 623 624 625 626 627 628 630 636 637 641
तेलंगाना|TG|500 501 502 503 504 505 506 507 508 509
त्रिपुरा|TR|799
उत्तर प्रदेश|UP|201 202 203 204 205 206 208 209 210 211 212 221 222 223 224 225 226 227 228 229 250 251 281
उत्तराखंड|UT|246 248 249 263
पश्चिम बंगाल|WB|700 711 712 713 721 722 723 731 732 733 735 736 741 742 743
""",
    "######",
)

BRITAIN: Final = _regions(
    """
Aberdeenshire|ABD|AB
Bedfordshire|BDF|LU
Berkshire|BRK|RG SL
Bristol|BST|BS
Buckinghamshire|BKM|HP MK
Cambridgeshire|CAM|CB
Cheshire|CHS|CW
Cornwall|CON|TR
Cumbria|CMA|CA
Derbyshire|DBY|DE
Devon|DEV|EX TQ
Dorset|DOR|BH DT
Durham|DUR|DH
East Sussex|ESX|BN
Edinburgh|EDH|EH
Essex|ESS|CM SS
Fife|FIF|KY
Glamorgan|GLM|CF
Glasgow|GLG|G
Gloucestershire|GLS|GL
Greater London|LND|E N SE SW W EC WC
Greater Manchester|GTM|M BL OL
Hampshire|HAM|PO SO
Hertfordshire|HRT|AL SG WD
Kent|KEN|CT ME TN
Lancashire|LAN|BB FY PR
Leicestershire|LEC|LE
Lincolnshire|LIN|LN
Merseyside|MSY|L
Norfolk|NFK|NR
North Yorkshire|NYK|HG YO
Northamptonshire|NTH|NN
Northern Ireland|NIR|BT
Nottinghamshire|NTT|NG
Oxfordshire|OXF|OX
Somerset|SOM|BA TA
South Yorkshire|SYK|S DN
Staffordshire|STS|ST
Suffolk|SFK|IP
Surrey|SRY|GU KT
Swansea|SWA|SA
Tyne and Wear|TWR|NE SR
West Midlands|WMD|B CV DY WS WV
West Yorkshire|WYK|BD HD HX LS WF
Wiltshire|WIL|SN SP
Worcestershire|WOR|WR
""",
    "# #??",
)
