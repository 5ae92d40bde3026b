"""The page's style and its little script: one string each, since the report is one file and loads nothing."""

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1a2230;--soft:#56617a;--edge:#dde2ea;--grid:#e6eaf0;
--first:#a65400;--second:#0b62a8;--third:#3d7a57;--fourth:#8a3ab0;--fifth:#b0243f;--sixth:#5b6470;--accent:#0b62a8;--right:12,106,187;--wrong:180,71,0;--cell:#000;--deep:#fff;
--warn:#8a4b00;--warn-page:#fff6e8;--track:#e8edf3}
@media screen and (prefers-color-scheme:dark){:root{--page:#10141b;--card:#181e28;--ink:#e7ebf2;--soft:#9faabe;
--edge:#2b3442;--grid:#262e3b;--first:#f0a04b;--second:#6fb4f2;--third:#7cc79a;--fourth:#cf9bf0;--fifth:#f58ba0;--sixth:#b3bccb;--accent:#7dbcf5;--right:73,131,188;
--wrong:185,109,40;--cell:#fff;--deep:#000;--warn:#f3bd76;--warn-page:#2a2115;--track:#2a3341}}
*{box-sizing:border-box}
html{scroll-padding-top:3.5rem}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans",sans-serif;-webkit-text-size-adjust:100%}
main,header.top>div,footer{max-width:1160px;margin:0 auto;padding:0 16px}
header.top{padding:28px 0 12px}
h1{font-size:clamp(1.5rem,4.5vw,2.1rem);line-height:1.2;margin:.1em 0 .3em;overflow-wrap:anywhere;
letter-spacing:-.01em}
h2{font-size:1.35rem;margin:2.6rem 0 .7rem;letter-spacing:-.01em}
h3{font-size:1.02rem;margin:1.6rem 0 .5rem}
figcaption h3{margin:0}
p{margin:.5rem 0;max-width:72ch}
ul{padding-left:1.2rem}
li{max-width:76ch;margin:.2rem 0;overflow-wrap:anywhere}
code{font:.88em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
a{color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
data,.number,.figure,svg text{font-variant-numeric:tabular-nums}
.brand,.kicker{color:var(--soft);font-size:.9rem;margin:0}
.lead{font-size:1.1rem;max-width:64ch}
.answer{font-size:clamp(1.25rem,3.4vw,1.6rem);line-height:1.3;font-weight:600;max-width:40ch;margin:.2em 0 .5em}
.words{border-left:4px solid var(--accent)}
.words p:first-child{font-size:1.15rem;margin-top:0}
.words p:last-child{margin-bottom:0}
.checks{list-style:none;padding:0;margin:.6rem 0}
.checks li{display:flex;gap:.6rem;align-items:baseline;padding:.35rem 0;border-bottom:1px solid var(--grid);
max-width:90ch}
.checks li:last-child{border:0}
.checks .badge{flex:none;min-width:5.4em;text-align:center}
.badge.fine{border-color:var(--third);color:var(--third)}
.badge.careful{border-color:var(--warn);color:var(--warn);background:var(--warn-page);font-weight:600}
.badge.doubt{border-color:var(--warn);color:var(--page);background:var(--warn);font-weight:600}
.commands{margin:.6rem 0;display:grid;gap:.6rem}
.commands div{min-width:0}
.commands dt{color:var(--soft);font-size:.86rem}
.commands dd,pre{margin:.15rem 0 0;background:var(--card);border:1px solid var(--edge);border-radius:8px;
padding:.5rem .7rem;overflow-x:auto}
pre code,.commands code{overflow-wrap:normal;white-space:pre}
nav{position:sticky;top:0;z-index:5;background:var(--page);border-bottom:1px solid var(--edge)}
nav ul{display:flex;flex-wrap:wrap;gap:0 .1rem;max-width:1160px;margin:0 auto;padding:4px 8px;list-style:none}
nav li{margin:0;flex:none}
nav a{display:block;padding:.3rem .38rem;border-radius:6px;text-decoration:none;color:var(--ink);font-size:.87rem}
nav a:hover{background:var(--track)}
nav.folded{display:none}
nav details{margin:0}
nav summary{padding:.7rem 16px}
nav details[open]{max-height:80vh;overflow:auto}
.card{background:var(--card);border:1px solid var(--edge);border-radius:10px;padding:16px 18px;margin:0;min-width:0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:14px;margin:.5rem 0 1rem}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:14px;margin:1rem 0}
.grid.one{grid-template-columns:minmax(0,430px)}
.score .figure{font-size:clamp(2.6rem,9vw,3.6rem);font-weight:650;line-height:1.1;margin:.1em 0;letter-spacing:-.02em}
.score.test{border-top:4px solid var(--accent)}
.score.val{border-top:4px solid var(--edge)}
.score.val .figure{color:var(--soft)}
.note{color:var(--soft);font-size:.9rem}
.note.strong{color:var(--ink)}
.missing{color:var(--warn);background:var(--warn-page);border-left:3px solid var(--warn);padding:.5rem .75rem;
border-radius:0 6px 6px 0;max-width:76ch;overflow-wrap:anywhere}
.interval{position:relative;height:10px;border-radius:5px;background:var(--track);margin:.6rem 0 .5rem}
.interval .range{position:absolute;top:0;bottom:0;border-radius:5px;background:var(--accent);opacity:.5}
.interval .dot{position:absolute;top:-3px;width:4px;height:16px;margin-left:-2px;border-radius:2px;
background:var(--ink)}
.facts{display:flex;flex-wrap:wrap;gap:1px;background:var(--edge);border:1px solid var(--edge);border-radius:10px;
overflow:hidden;margin:.8rem 0}
.facts div{background:var(--card);padding:.55rem .8rem;flex:1 1 135px}
.facts dt{color:var(--soft);font-size:.82rem}
.facts dd{margin:0;font-weight:600;overflow-wrap:anywhere}
.scroll{overflow:auto;border:1px solid var(--edge);border-radius:10px;background:var(--card);margin:.7rem 0;
max-width:100%;position:relative}
.scroll.tall{max-height:30rem}
.scroll.fitted{width:fit-content}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.92rem}
caption{position:sticky;left:0;text-align:left;color:var(--soft);font-size:.85rem;padding:.5rem .8rem;
border-bottom:1px solid var(--edge)}
th,td{text-align:left;padding:.38rem .8rem;border-bottom:1px solid var(--grid);vertical-align:top}
tbody tr:last-child>*{border-bottom:0}
thead th{position:sticky;top:0;z-index:1;background:var(--card);color:var(--soft);font-size:.82rem;font-weight:600;
vertical-align:bottom;border-bottom:1px solid var(--edge)}
thead th.number{text-align:right}
td.number{text-align:right;white-space:nowrap}
td.wide,td.about{min-width:15rem}
td.value{min-width:9rem}
th.name{font-weight:550;max-width:24rem;overflow-wrap:break-word;min-width:6rem}
thead th.name{font-weight:600}
td{overflow-wrap:break-word;max-width:44rem}
.decisions{table-layout:fixed}
.decisions thead th:nth-child(1){width:20%}
.decisions thead th:nth-child(2){width:30%}
.decisions caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);padding:0;border:0}
.decisions th code{font-weight:600}
th code{overflow-wrap:break-word}
.decisions .badge{margin-left:.3rem}
td small{display:block;color:var(--soft);font-size:.8rem}
.sortable thead button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer;text-align:inherit}
.sortable thead button::after{content:" ↕";opacity:.45}
.sortable [aria-sort=ascending] button::after{content:" ↑";opacity:1}
.sortable [aria-sort=descending] button::after{content:" ↓";opacity:1}
.bar{display:inline-block;width:56px;height:7px;border-radius:4px;background:var(--track);margin-left:.5rem;
vertical-align:middle}
.bar span{display:block;height:100%;border-radius:4px;background:var(--accent)}
.badge{display:inline-block;font-size:.72rem;line-height:1.5;padding:0 .45em;border-radius:5px;
border:1px solid var(--edge);color:var(--soft)}
.badge.user{border-color:var(--first);color:var(--first);font-weight:600}
.badge.measured{border-color:var(--second);color:var(--second);font-weight:600}
.confusion{width:auto;font-size:.86rem}
.confusion td{text-align:center;padding:.3rem .5rem;min-width:2.5rem;border:0;vertical-align:middle}
.confusion tbody th.name,.confusion .corner{position:sticky;left:0;z-index:1;background:var(--card);max-width:11rem;
min-width:0}
.confusion .corner{z-index:2;white-space:nowrap}
.confusion tbody th,.confusion tbody td{border-bottom:1px solid var(--card)}
.confusion .up{text-align:center;padding:.5rem .2rem}
.confusion .up span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:11rem;overflow:hidden;
text-overflow:ellipsis;white-space:nowrap;display:inline-block}
.confusion .right,.confusion .wrong{color:var(--cell)}
.confusion .right{background:rgba(var(--right),var(--shade))}
.confusion .wrong{background:rgba(var(--wrong),var(--shade))}
.confusion .deep{color:var(--deep);font-weight:600}
.confusion .zero::before{content:"·";color:var(--edge)}
.confusion .total{color:var(--soft);border-left:1px solid var(--edge)}
.confusion .right,.confusion .wrong,.bar,.bar span,.interval,.interval span,.key{print-color-adjust:exact;
-webkit-print-color-adjust:exact}
svg.matrix{display:block;width:100%;height:auto}
svg.matrix text{font-size:10px}
svg.matrix .right{fill:rgba(var(--right),var(--shade))}
svg.matrix .wrong{fill:rgba(var(--wrong),var(--shade))}
svg.matrix path.grid{stroke:var(--edge);fill:none}
.swatch{display:inline-block;width:12px;height:12px;vertical-align:-1px;margin-right:1px;border-radius:2px}
.swatch.right{background:rgba(var(--right),var(--shade))}
.swatch.wrong{background:rgba(var(--wrong),var(--shade))}
.swatch.first,.swatch.second,.swatch.third{margin-right:.4rem}
.swatch.first{background:var(--first)}
.swatch.second{background:var(--second)}
.swatch.third{background:var(--third)}
svg.bars rect.first{fill:var(--first)}
svg.bars rect.second{fill:var(--second)}
svg.bars rect.third{fill:var(--third)}
ol.bars{list-style:none;padding:0;margin:.6rem 0 0}
ol.bars li{display:grid;grid-template-columns:minmax(4rem,max(14%,9rem)) 1fr 3.6rem;gap:.6rem;align-items:center;
max-width:none;margin:.15rem 0;font-size:.9rem}
ol.bars .name{text-align:right;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
ol.bars .stack{display:flex;height:14px}
ol.bars .first{background:var(--first)}
ol.bars .second{background:var(--second)}
ol.bars .third{background:var(--third)}
.card.sky{max-width:480px}
svg.heat{display:block;max-width:100%;height:auto}
.heat{margin:.3rem 0 .6rem}
.swatch,.stack span,svg rect,svg path{print-color-adjust:exact;-webkit-print-color-adjust:exact}
svg.chart{display:block;width:100%;height:auto;margin-top:.5rem}
svg text,svg .note{font-size:11.5px;fill:var(--soft)}
svg .grid{stroke:var(--grid)}
svg .axis,svg .tick{stroke:var(--soft)}
svg .mark{stroke:var(--soft);stroke-dasharray:4 3}
svg .line{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
svg path.first{stroke:var(--first)}
svg path.second{stroke:var(--second)}
svg path.third{stroke:var(--third)}
svg path.first{stroke-dasharray:6 4}
svg path.faint{stroke:var(--soft);stroke-width:1;stroke-opacity:.45}
svg path.fourth{stroke:var(--fourth);stroke-dasharray:2 4}
svg path.fifth{stroke:var(--fifth);stroke-dasharray:10 4}
svg path.sixth{stroke:var(--sixth);stroke-dasharray:10 3 2 3}
svg circle.fourth{fill:var(--fourth)}
svg circle.fifth{fill:var(--fifth)}
svg circle.sixth{fill:var(--sixth)}
svg circle.first{fill:var(--first)}
svg circle.second{fill:var(--second)}
svg circle.third{fill:var(--third)}
svg .point{fill:var(--second);fill-opacity:.45}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1rem;list-style:none;padding:0;margin:.2rem 0 0;font-size:.85rem;
color:var(--soft)}
.legend li{margin:0}
.key{display:inline-block;width:20px;height:0;border-top:3px solid;vertical-align:middle;margin-right:.4rem}
.key.cased{border-top:5px solid;outline:1px solid var(--soft)}
.key.rule{border-color:var(--soft);border-top:1px dashed}
.key.first{border-color:var(--first);border-top-style:dashed}
.key.second{border-color:var(--second)}
.key.third{border-color:var(--third)}
.key.faint{border-color:var(--soft);border-top-width:1px}
.key.fourth{border-color:var(--fourth);border-top-style:dotted}
.key.fifth{border-color:var(--fifth);border-top-style:dashed}
.key.sixth{border-color:var(--sixth);border-top-style:dashed}
.race{list-style:none;padding:0;margin:.8rem 0 0}
.race li{max-width:none;margin:0 0 .8rem}
.race .name{font-weight:600}
.race .interval{margin:.3rem 0 .2rem}
.axis{position:relative;height:1.2rem;border-top:1px solid var(--soft);color:var(--soft);font-size:.8rem}
.axis span{position:absolute;transform:translateX(-50%);top:.1rem;white-space:nowrap}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(45%,220px),1fr));gap:12px;margin:.8rem 0}
.gallery.sheets{grid-template-columns:minmax(0,860px)}
.gallery.wide{grid-template-columns:repeat(auto-fill,minmax(min(95%,240px),1fr));max-height:640px;overflow:auto}
.gallery.pairs{grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr))}
.gallery.small{grid-template-columns:repeat(auto-fill,minmax(112px,1fr));max-width:860px;margin-bottom:0}
.gallery.small figcaption{padding:.35rem .5rem;font-size:.76rem;color:var(--soft)}
.finding{margin:.7rem 0}
h4{font-size:.98rem;margin:0 0 .3rem}
.picture{padding:0;overflow:hidden}
.picture img{display:block;width:100%;height:auto}
.picture.pair>div{display:grid;grid-template-columns:1fr 1fr;gap:2px}
.picture figcaption{padding:.5rem .75rem;font-size:.86rem;overflow-wrap:anywhere}
.picture figcaption p{margin:0}
details{margin:.7rem 0}
summary{cursor:pointer;font-weight:600;padding:.3rem 0}
footer{color:var(--soft);font-size:.86rem;padding-top:2rem;padding-bottom:3rem}
.skip{position:absolute;left:-999px}
.skip:focus{left:8px;top:8px;background:var(--card);padding:.5rem;z-index:9}
@media(max-width:760px){nav.line{display:none}nav.folded{display:block}nav ul{flex-direction:column}
nav a{padding:.6rem 8px}.checks li{flex-direction:column;gap:.15rem}}
@media(max-width:600px){.card{padding:14px}.gallery.pairs .pair>div{grid-template-columns:1fr}
.about{display:none}.picture{padding:0}.gallery:has(.pair){grid-template-columns:1fr}
.decisions thead{display:none}.decisions tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--grid)}
.decisions tr:last-child{border:0}.decisions tbody th,.decisions tbody td{display:block;border:0;padding:.1rem .8rem;
max-width:none;min-width:0}.decisions{display:block}.decisions tbody{display:block}
th,td{padding:.35rem .6rem}h2{margin-top:2.2rem}td.wide{min-width:11rem}
.confusion tbody th.name,.confusion .corner{max-width:7rem}}
@media print{:root{--page:#fff;--card:#fff}body{font-size:10.5pt}nav,.skip{display:none}
main,header.top>div,footer{max-width:none;padding:0}
nav.folded{display:none}pre code,.commands code{white-space:pre-wrap}
.scroll,.scroll.tall{max-height:none;overflow:visible}svg.matrix{min-width:0!important}
#mistakes,#data,#plan,#reproduce{break-before:page}.card,figure,tr,.facts div{break-inside:avoid}h2,h3,caption
{break-after:avoid}thead th,caption{position:static}details::details-content{content-visibility:visible;display:block;
height:auto}.grid{grid-template-columns:1fr 1fr}.sortable thead button::after{content:""}}
"""

SCRIPT = """
document.querySelectorAll("table.sortable").forEach(function(table){
  var heads=table.tHead.rows[0].cells;
  Array.prototype.forEach.call(heads,function(head,column){
    var button=document.createElement("button");
    button.type="button";button.textContent=head.textContent;head.textContent="";head.appendChild(button);
    button.addEventListener("click",function(){
      var numeric=head.classList.contains("number");
      var order=head.getAttribute("aria-sort")==="descending"||!head.hasAttribute("aria-sort")&&!numeric?1:-1;
      Array.prototype.forEach.call(heads,function(other){other.removeAttribute("aria-sort")});
      head.setAttribute("aria-sort",order>0?"ascending":"descending");
      var key=function(row){
        var cell=row.cells[column],figure=cell.querySelector("data");
        return numeric?parseFloat(figure?figure.value:cell.textContent):cell.textContent;
      };
      Array.prototype.slice.call(table.tBodies[0].rows).sort(function(a,b){
        var x=key(a),y=key(b);
        if(numeric){
          if(isNaN(x)||isNaN(y))return(isNaN(x)?1:0)-(isNaN(y)?1:0);
          return order*(x-y);
        }
        return order*x.localeCompare(y,undefined,{numeric:true});
      }).forEach(function(row){table.tBodies[0].appendChild(row)});
    });
  });
});
document.querySelectorAll("nav details a").forEach(function(link){
  link.addEventListener("click",function(){link.closest("details").open=false});
});
"""
