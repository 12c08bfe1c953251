// dlrsink: HTTP callback sink. Answers every request 200 (or --status) with body --body, counts callbacks per index.
// Index = digits after "idx=" (first in the request: the URL, else the body). "final" = DELIVRD in a form / "status":"DELIVERED" (our DLR webhook) / st=1 (Kannel).
// Our webhook's other finals ("status":"FAILED" or "UNKNOWN") are counted as failed, SENT as neither.
// Control by HTTP on the same port: /_stats /_reset /_dump?FILE
#include "common.h"
typedef struct C{int fd;Buf in,out;int dead,wantw;struct C*next;}C;
typedef struct{uint64_t due;C*c;}W;
static int ep;static uint64_t*first_any,*first_fin;static uint16_t*cnt;static uint32_t max_idx;
static uint64_t st_req,st_fin,st_fin_uniq,st_any_uniq,st_noidx,st_fail,st_first,st_last,st_last_fin,st_conns;
static const char*body="ACK/Jasmin";static int status=200;static char resp[512];static int resp_n;
static void flush(C*c){while(c->out.len){ssize_t n=send(c->fd,c->out.p,c->out.len,MSG_NOSIGNAL);if(n<0){if(errno==EAGAIN){struct epoll_event e={.events=EPOLLIN|EPOLLOUT,.data.ptr=c};epoll_ctl(ep,EPOLL_CTL_MOD,c->fd,&e);c->wantw=1;return;}c->dead=1;return;}bdrop(&c->out,n);}
 if(c->wantw){struct epoll_event e={.events=EPOLLIN,.data.ptr=c};epoll_ctl(ep,EPOLL_CTL_MOD,c->fd,&e);c->wantw=0;}}
static void reply(C*c,const char*b){char h[256];int n=snprintf(h,256,"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",strlen(b));bput(&c->out,h,n);bput(&c->out,b,strlen(b));}
static int json_status(char*p){ // 1 DELIVERED, 2 FAILED/UNKNOWN, 0 none of them: value of the first JSON member named status
  char*b=strstr(p,"\r\n\r\n"),*q=b?strstr(b,"\"status\""):NULL;if(!q)return 0;q+=8;while(*q==' '||*q==':'||*q=='\t'||*q=='\n')q++;
  if(!strncmp(q,"\"DELIVERED\"",11))return 1;return !strncmp(q,"\"FAILED\"",8)||!strncmp(q,"\"UNKNOWN\"",9)?2:0;}
static void on_req(C*c,char*p,size_t n){ // p NUL-terminated copy view
  char sv=p[n];p[n]=0;
  char*sp=strchr(p,' ');char*path=sp?sp+1:p;
  if(!strncmp(path,"/_",2)){char b[600];
    if(!strncmp(path,"/_stats",7)){snprintf(b,600,"{\"requests\":%llu,\"any_unique\":%llu,\"final\":%llu,\"final_unique\":%llu,\"noidx\":%llu,\"failed\":%llu,\"first_ns\":%llu,\"last_ns\":%llu,\"last_final_ns\":%llu,\"conns\":%llu}\n",(unsigned long long)st_req,(unsigned long long)st_any_uniq,(unsigned long long)st_fin,(unsigned long long)st_fin_uniq,(unsigned long long)st_noidx,(unsigned long long)st_fail,(unsigned long long)st_first,(unsigned long long)st_last,(unsigned long long)st_last_fin,(unsigned long long)st_conns);reply(c,b);}
    else if(!strncmp(path,"/_reset",7)){memset(first_any,0,(size_t)(max_idx+1)*8);memset(first_fin,0,(size_t)(max_idx+1)*8);memset(cnt,0,(size_t)(max_idx+1)*2);max_idx=0;st_req=st_fin=st_fin_uniq=st_any_uniq=st_noidx=st_fail=st_first=st_last=st_last_fin=st_conns=0;reply(c,"ok\n");}
    else if(!strncmp(path,"/_dump?",7)){char*e=strchr(path,' ');if(e)*e=0;FILE*f=fopen(path+7,"w");if(f){for(uint32_t i=0;i<=max_idx;i++)if(cnt[i]){struct{uint32_t i,c;uint64_t a,b;}r={i,cnt[i],first_any[i],first_fin[i]};fwrite(&r,24,1,f);}fclose(f);}reply(c,"ok\n");}
    else reply(c,"?\n");p[n]=sv;return;}
  uint64_t t=now_ns();st_req++;if(!st_first)st_first=t;st_last=t;
  char*q=strstr(p,"idx=");int js=json_status(p),fin=js==1||strstr(p,"DELIVRD")||strstr(p,"st=1 ")||strstr(p,"st=1&");if(js==2)st_fail++;if(fin){st_fin++;st_last_fin=t;}
  if(q){uint32_t i=strtoul(q+4,0,10);if(i<MAXIDX){if(i>max_idx)max_idx=i;if(!cnt[i]++){first_any[i]=t;st_any_uniq++;}if(fin&&!first_fin[i]){first_fin[i]=t;st_fin_uniq++;}}}else st_noidx++;
  bput(&c->out,resp,resp_n);p[n]=sv;
}
static int on_read(C*c){for(;;){if(c->in.cap-c->in.len<16384){c->in.cap=c->in.len+32768;c->in.p=realloc(c->in.p,c->in.cap);}
  ssize_t n=recv(c->fd,c->in.p+c->in.len,c->in.cap-c->in.len-1,0);if(n==0)return -1;if(n<0)return errno==EAGAIN?0:-1;c->in.len+=n;c->in.p[c->in.len]=0;
  size_t o=0;for(;;){char*h=memmem(c->in.p+o,c->in.len-o,"\r\n\r\n",4);if(!h)break;size_t hl=h-(c->in.p+o)+4,bl=0;char save=*h;*h=0;char*cl=strcasestr(c->in.p+o,"content-length:");if(cl)bl=strtoul(cl+15,0,10);
    char*te=strcasestr(c->in.p+o,"transfer-encoding: chunked");int close_=strcasestr(c->in.p+o,"connection: close")!=0;*h=save;
    if(te){char*e=memmem(h+4,c->in.len-o-hl,"0\r\n\r\n",5);if(!e)break;bl=e+5-(h+4);}
    if(c->in.len-o<hl+bl)break;on_req(c,c->in.p+o,hl+bl);o+=hl+bl;if(close_){flush(c);return -1;}}
  bdrop(&c->in,o);flush(c);if(c->dead)return -1;}}
int main(int a,char**v){int port=9100;const char*host="127.0.0.1";static struct option o[]={{"port",1,0,'p'},{"host",1,0,'h'},{"body",1,0,'b'},{"status",1,0,'s'},{0}};int k;
 while((k=getopt_long(a,v,"",o,0))>0)switch(k){case'p':port=atoi(optarg);break;case'h':host=optarg;break;case'b':body=optarg;break;case's':status=atoi(optarg);break;default:return 2;}
 first_any=calloc(MAXIDX,8);first_fin=calloc(MAXIDX,8);cnt=calloc(MAXIDX,2);signal(SIGPIPE,SIG_IGN);
 resp_n=snprintf(resp,512,"HTTP/1.1 %d OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",status,strlen(body),body);
 ep=epoll_create1(0);int l=tcp_listen(host,port);struct epoll_event e={.events=EPOLLIN,.data.ptr=0};epoll_ctl(ep,EPOLL_CTL_ADD,l,&e);struct epoll_event ev[256];
 for(;;){int n=epoll_wait(ep,ev,256,-1);for(int i=0;i<n;i++){C*c=ev[i].data.ptr;
   if(!c){int fd;while((fd=accept4(l,0,0,SOCK_CLOEXEC))>=0){nonblock(fd);c=calloc(1,sizeof*c);c->fd=fd;st_conns++;struct epoll_event x={.events=EPOLLIN,.data.ptr=c};epoll_ctl(ep,EPOLL_CTL_ADD,fd,&x);}continue;}
   if(ev[i].events&EPOLLOUT)flush(c);
   if(ev[i].events&(EPOLLIN|EPOLLHUP|EPOLLERR))if(on_read(c)<0||c->dead){close(c->fd);free(c->in.p);free(c->out.p);free(c);}}}
}
