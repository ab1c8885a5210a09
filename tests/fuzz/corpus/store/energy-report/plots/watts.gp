# `gnuplot watts.gp` in this directory draws watts.png and watts.svg from watts.dat.
set encoding utf8
if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
    set terminal pngcairo size 1000,544 font "DejaVu Sans,11" noenhanced
} else {
    set terminal png size 1000,544 font "DejaVu Sans,11" noenhanced
}
set output "watts.png"
set datafile missing "?"
set grid lt 1 lc rgb "#cccccc" lw 0.5
set border 3 lc rgb "#555555"
set tics nomirror
set key below left Left reverse vertical maxrows 1 samplen 3 width 1
set tmargin 5
set rmargin 4
set title "Power over time, windows shaded" font ",13" offset 0,2
set label 1 "this machine (CPU not recorded). Shaded: energy windows, 1 of the 2 in the store, the first of each cell and phase. Before and after each: idle\nwith the model loaded. The time between windows is omitted." at graph 0, graph 1 left offset 0,2 font ",9" textcolor rgb "#444444"
set xlabel "time (s), one window after another\n "
set xrange [-4:54]
set ylabel "power (W)"
set yrange [0:32.4]
set object 1 rectangle from 10, graph 0 to 50, graph 1 behind fillcolor rgb "#0072B2" fillstyle solid 0.15 noborder
set label 2 "125M ternary output" at 30, graph 0.03 left rotate by 90 font ",9" front
plot \
    "watts.dat" index 0 using 1:2 with fsteps lt rgb "#0072B2" lw 1.2 dt 1 title "measured: ternary, mean power of package+dram", \
    "watts.dat" index 1 using 1:2 with fsteps lt rgb "#0072B2" lw 1.2 dt 1 notitle
set terminal svg size 1000,544 dynamic font "DejaVu Sans,14" noenhanced background "#ffffff"
set output "watts.svg"
replot
unset output
