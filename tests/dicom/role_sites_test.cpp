#include "images_support.h"
#include "role_names.h"

namespace glionode::dicom {
namespace {

// Further names of other sites, written down after the vocabulary of role_words.cpp was finished, to find what is wrong
// with it in general: of the first 502, 31 were judged otherwise than a reader would; of 249 more after that was
// mended, 3.

constexpr std::string_view kT1 = R"(
t1_tse_tra_fs | t1_fl2d_sag | t1_fl3d_tra_iso_nativ | T1 MPR sag nativ | t1_mpr_sag_p2_iso_1.0 |
t1_tse_dark-fluid_tra | t1_tirm_cor_dark-fluid | t1_vibe_tra | T1_SPACE_SAG | t1_starvibe_fs_tra_nativ |
t1_blade_tra | t1_qtse_tra | MPRAGE_ADNI | MPRAGE RMS | t1_memprage_sag_RMS | t1_mprage_sag_p2_ND | T1w_MPR_BIC_v1 |
CS_T1_MPRAGE | T1 SE tra v.KM | t1 tra vor Kontrast | T1 ohne Kontrastmittel tra | T1 tra o.KM | T1 o. KM |
t1w_tra_nativ_dd | Ax T1 FLAIR Prop | Ax T1 PROPELLER | Sag T1 FLAIR | AX 3D T1 FSPGR PRE | Sag CUBE T1 |
3D T1 MPRAGE | SAG BRAVO | Ax 3D T1 BRAVO PRE-GAD | AX T1 SE NO GAD | Ax T1 fs without contrast | AX T1 NON CON |
Ax T1 no contrast | AX T1 NONCON | T1W_SE | T1W_FFE | T1W_TSE_SAG | WIP T1W_3D_TFE SENSE | T1 3D TFE |
3D_T1_TFE_SAG | T1W IR TSE | sT1W_3D_FFE | T1_TSE_COR | WIP sT1W_3D_ISO | T1 mDIXON_W TSE | T1 SE Axi | FE3D T1 |
T1_FSE_sag | SE_T1_AX | 3D FFE T1 | FFE3D MPRAGE | MPRAGE 3D | T1W FSE AX | AX T1 SANS | COR T1 SANS INJ |
3D T1 SANS GADO | 3D T1 BRAVO SANS | T1 non injecté | SAG T1 NON INJ | T1 tra blanco | T1 TFE 3D zonder contrast |
T1 voor contrast | T1 sag zonder gd | T1 AX SIN CONTRASTE | SAG T1 SE | T1 TRA SIN GADOLINIO |
T1 AXIAL PRECONTRASTE | T1 BASAL | T1 EG 3D | AX T1 PRE-GD | T1 SE SAG | T1 assiale senza contrasto |
T1 SAG PRE MDC | T1 FSPGR 3D BASALE | T1 AX PRE-MDC | t1 tse sag senza m.d.c. | T1 AX PRÉ | T1 SAG PRE CONTRASTE |
T1 AX SEM GADOLINIO | T1 IR AX | Ax T1 pre gd | T1 vor Gabe von KM | T1 (nativ) | T1 SAG 3D SIN | T1 AX S/ MDC |
T1 SE sagittal | T1 TRANSVERSAL | T1 TURBO FLASH 3D | t1_flash3d_sag | 3D TURBO FIELD ECHO T1 | T1 TFE |
T1 sag 3D IR-FSPGR | SAG T1 MEMP | T1 without | 3D T1w SAG ohne | t1_se_tra_128 | T1 native | T1 PRE INJECTION |
AXT1 | SAGT1 | T1AX | T1SAG | T1TRA | PRE AX T1 | AX T1 PRE | SAG T1 PRE | T1 SE AX | T1 FSE SAG | 3D MPRAGE |
MPRAGE AX | t1 mpr | SAG 3D T1 PRE | AX T1 FSE PRE | T1W-SE | T1 W SE | eT1 | T1 IR | SE T1 AXIAL | T1-SE AXIAL |
AX T1-SE | AX-T1 | AX_T1 | SAG-T1 | T1 STEALTH PRE | AX T1 NO CONTRAST | AX T1 W/O GAD | T1 SAG W/O CONTRAST |
T1 AX PRE-CONTRAST | Pre Contrast T1 Axial | AX T1 PRECON | T1 AXIAL PRE GAD | AX 3D SPGR PRE | SAG T1 FLAIR |
AXIAL T1 FSE | T1 AX 5MM | T1 SAGITTAL 4MM | cor t1 | COR T1 FS PRE | 3D T1 SAG ISO 1MM | t1_sag_se | T1 AX FC |
AX T1 MEMP | T1 FFE TRA | T1W AX | T1W SAG | T1_SAG_PRE | non contrast T1 AX | T1 Ax without | NON-GAD T1 AX |
AX T1 NON-GAD | T1 AX NON-ENHANCED | AX T1 NONENHANCED | AX T1 PREGAD | AXIAL T1 BEFORE CONTRAST | T1 -GD |
AX T1 -GAD | AX T1 SE -C | AX T1 C- | T1 antes de contraste | T1 before gd
)";

constexpr std::string_view kT1WithContrast = R"(
t1_se_tra_KM | t1_mpr_ns_sag_p2_iso KM | T1 MPRAGE sag post KM | t1_fl3d_tra_iso_km | T1 TSE cor fs nach KM |
t1_tse_tra_fs_km | t1_space_sag_post_gad | t1_vibe_tra_post | T1 SE tra p. KM | T1 p.KM | t1_tra_nach_KM_i.v. |
T1 tra KM i.v. | t1_mprage_tra_+KM | T1 BLADE tra m. KM | T1 mKM | T1 mit Kontrast | t1_mpr_cor_nachKM |
T1 KM Navi | T1_MPRAGE_Gd | t1_tra_gado | T1 DARK FLUID POST GAD | t1_mprage_postcontrast | MPRAGE_GAD_TRA |
T1 SPC FS +GD | Ax T1 POST GAD | +C 3D Ax T1 BRAVO | AX T1 FSPGR +GAD | C+ AX T1 FSE | Ax T1 fs +c |
SAG 3D T1 POST GADAVIST | Ax T1 PROP +C | Ax T1 w/ contrast | AX T1 WITH GAD | AX T1 with contrast |
Cor T1 FS POST CONT | CORONAL T1 POST IV | AX T1 GAD FS | AX 3D T1 POST MPRAGE | 3D T1 CUBE FS GAD |
Sag 3D BRAVO GD | T1W_3D_TFE +C | T1W_SE_post_Gd | sT1W_3D_TFE+C | T1 TSE TRA GD | T1W_FFE_GADO |
WIP T1W_3D_TFE_GD SENSE | 3D_T1_TFE_GADO | T1 3D Black Blood +Gd | T1 3D VISTA BB POST | T1W_VISTA_CE |
T1 SE Axi CE | FE3D T1 +C | T1 AX CE | CE T1W AX | T1 Gd Axi | T1W FSE COR CE | AX T1 GADO | T1 AX INJ |
T1 SE INJECTE | T1 INJECTÉ | COR T1 AVEC INJECTION | T1 APRES IV | AX T1 POST INJECTION | T1 FS GADO | T1 +GADO |
3DT1 GADO | 3D T1 BRAVO GADO | AX T1 FATSAT GADO | T1 EG 3D GADO | T1 tra met contrast | T1 na contrast |
T1 TFE 3D na gado | T1 tra +gd | T1 GADO tra | 3D T1 met Gd | T1 post contrast | T1 AX CON GADOLINIO | T1 AX + CIV |
T1 TRA CON CONTRASTE | T1 3D GD | T1 AXIAL C/GADOLINIO | SAG T1 + CTE | T1 POSTCONTRASTE | T1 FSPGR CIV |
T1 POST-CONTRASTE | T1 AX CONTRASTADO | T1 SE ASSIALE MDC | T1 CON MDC | T1 + MDC | T1 ax m.d.c. | T1 SAG DOPO MDC |
T1 3D FSPGR MDC | T1 GD | T1 ASS POST-MDC | T1 con contrasto | T1 dopo contrasto | T1 AX PÓS | T1 PÓS CONTRASTE |
T1 AX PÓS-GADOLÍNIO | T1 COM GADOLINIO | T1 3D PÓS GD | T1 SAG POS | T1 AX C/ GD | T1 GE 3D na contrast |
t1_tse_cor_fs_p.KM | T1 tra KM Stealth | T1 3D KM Neuronavigation | MPRAGE KM | T1_post_Gd_3D |
T1 FS AX GADOBUTROL | T1 after contrast | T1 AFTER GD | T1 enhanced | T1 contrast | T1CONTRAST | T1_POSTGD_SAG |
AXT1+C | AXT1POST | T1AXGD | SAGT1POST | AX T1 POSTCON | AX T1 POST CON FS | Ax T1 +contrast | AX T1 C+ FS |
T1 W/ GAD | T1 w/contrast 3D | AX T1 POST GAD | 3D IRFSPGR POST | FSPGR AX POST | T1 AXIAL POST GD | AXIAL T1 GD |
AX T1 GD FS | COR T1 GD | SAG T1 GD | AX SPGR POST | AX MPRAGE POST | T1 STEALTH POST | T1 3D GAD STEALTH |
AX 3D SPGR W/GAD | 3D SPGR +C | SPGR AX VOL +C | VOL SPGR GD | AX 3D VIBE POST | T1 VIBE GD | AX T1 SE C+ |
T1 C+ AX | AX T1 (GD) | AX T1 (+C) | T1 AX +GAD | T1+GAD AX | AX T1 GAD | AX T1 POST FS | AX T1 FATSAT POST |
AX T1 POST SPGR | T1W SE GD | T1W-SE GD | T1-SE POST | AX-T1-POST | AX_T1_POST | COR-T1-POST | Post Ax T1 SE |
POST T1 AX | POST-GAD T1 AX | GAD AX T1 | GAD T1 COR | gd ax t1 | T1 post-gadolinium | T1 POSTCON |
T1 GD 3D MPRAGE | AX T1 MTC POST | T1 FLAIR POST GD | AX T1 FLAIR GD | Ax T1 C | T1 COR C+ FATSAT | T1 AX c+ |
T1_SE_C+ | T1SE+C | t1_fl2d_tra_post_gd | POST GD T1 FS COR | 3D FSPGR GAD | SAG T1 POST-GAD |
Post Contrast T1 Axial | POST CONTRAST AX T1 | CONTRAST T1 AX | AX T1 ENHANCED | T1 AX SE POST GAD FATSAT |
AX T1 + GAD | AXIAL T1+C | ax t1+gd | T1 +GD AX | T1 AX WITH CONTRAST | T1 AX W CONT | T1 AX W/C | AX T1 W/ |
T1 POST CONTRAST AXIAL 3MM | Ax 3D T1 MPRAGE Gd | T1 MPRAGE POST SAG ISO | SAG MPRAGE +C 1MM | AX SE T1 POST |
T1 KM ax | T1 ax KM fs | CLEAR T1 GD
)";

constexpr std::string_view kT2 = R"(
t2_tse_tra | t2_tse_tra_448 | t2_qtse_tra | T2 TSE TRA | t2_tse_sag | t2_tse_fs_tra | t2_spc_tra_iso |
T2 AX PROPELLER | AX T2 FRFSE | Ax T2 fs PROP | AX T2 FSE FS | Ax FRFSE T2 | T2W_TSE_TRA | T2W_TSE_DRIVE |
T2W_DRIVE_CLEAR | T2 TSE TRA 4mm | T2W MV XD tra | T2_MultiVane | AXIAL T2 | T2 ASSIALE | T2 TSE TRASVERSALE |
T2 AXIAL TSE | SE T2 AX | FSE T2 tra | T2 FSE Axi | T2 JET | FASE T2 3D | T2 tra dünn | T2 TSE cor | T2 TURBO SE |
T2 HR | T2 AX FAT SAT | T2 TRA NACH KM | AX T2 POST | T2 post gado | T2W_SPAIR | T2 3D CUBE | 3D T2 SPACE sag |
T2 TSE tra Schädel | T2 SE doppio eco | AXT2 | T2AX | T2TRA | T2W TRA SENSE | WIP T2W_TSE SENSE |
T2 TSE 3mm tra FS | T2 axiale | T2 AX BRAIN | T2 TRA CRANEO | T2 ax encefalo | T2 ax cranio | sT2W_TSE_SENSE_3mm |
T2 XL | AX T2 FSE-XL | T2 TSE COMPRESSED SENSE | T2 sagital | T2 AXIAL FSE | AX T2 FSE FC | AX FSE T2 |
AXIAL FSE T2 | AX FSE-XL T2 | OBL AX T2 | T2 AX FS | AX PD/T2 | T2 W TSE | T2W-TSE | T2W_TSE AX | T2 TSE |
t2_tse_ax | TSE T2 AX | AX-T2 | AX_T2_FSE | AX T2 FRFSE HR | AX T2 FAST | T2 AX BLADE | AX T2 BLADE |
T2 AX FSE 3MM | T2 COR FS | COR T2 FSE | SAG T2 | AX T2 5MM | T2 AXIAL PROPELLER | T2 SE AX | AX T2 SE |
T2 AX POST GAD | AXIAL T2 W | AX T2 POST CONTRAST FS | AX T2W TSE SENSE | T2 FSE AX FAT SAT | AX TSE T2 |
T2-TSE-AX | MRHR T2 AX | T2 AX THIN | CUBE T2 AX | AX 3D T2 SPACE
)";

constexpr std::string_view kNeither = R"(
t2_tirm_tra_dark-fluid | T2 FLAIR | FLAIR 3D | 3D FLAIR CUBE | AX FLAIR | t2_flair_tra_fs | FLAIR gado |
T2W FLAIR SENSE | FLAIR post | T2 dark fluid | t2_spc_flair_sag | FLAIR SPC | TIRM tra dark fluid | COR TIRM |
T2 TIRM cor | ciss3d | t2_fl2d_tra_hemo | T2* tra | AX T2 STAR | T2* EG | T2 EG | EG T2* | GRE T2* | T2 HEMO |
T2 FFE | T2*W FFE | SWIp | SWI_tra | SWAN | ESWAN | sag SWI | QSM | phase_images | Pha_Images_SWI | Mag SWI |
minIP SWI | VenoBOLD | ep2d_diff_3scan_p2_s2 | ep2d_diff_3scan_trace_p2_ADC | Diffusion B1000 | DWI b0 | DWI_b1000 |
DIFF 25 DIR | Ax DTI 30 dir | ADC map | FA map | DWI SSH | diffusie | difusion | diffusione | difusão |
DIFFUSION AX | TENSEUR | resolve_4scan_trace_ADC | ep2d_perf_TTP | Perfusie | PERFUSIONE | perfusão |
perfusion T2* | AX PERFUSION DSC | dynamisch T1 | T1 DYNAMIC | T1 DYN KM | T1 perfusion | DCE T1 VIBE |
ep2d_perf_p3_MoCo | rBV | relCBV_cor | CBF map | ASL perfusion 3D | TOF 3D | TOF_3D_multi-slab | angio 3D |
MRA TOF | Angio TOF arterial | PCA | 3D PC | VENO 3D PC | phlébo | MRV 2D TOF | CE MRA neck | csi_slaser |
svs_se_135 | PROBE-SI | SPECTRO TE 144 | MRSI | loc | LOC 3 plans | Repérage | centratori | localizador |
localizzatore | Übersicht | scout | 3 PLANE LOC | LOCALISATEUR | AAHead_Scout_64ch | AAHead_Scout_MPR_sag |
Survey_32ch | Calibration Scan | Coil Sens | SenseRefScan | B0map | B1 map | gre_field_mapping 2mm |
SE-EPI fieldmap | rest1 | REST1 BOLD | BOLD resting | rs-fMRI | task fMRI | IRMf | T1 MPR tra reformat |
T1 MPR Range cor | MPR T1 KM cor | 3D T1 GADO MPR | REFORMAT AX 3D T1 | T1 3D REFORMATTED | MIP T1 |
T1 SUBTRACTION | T1 Subtraktion | T1 soustraction | T1 subtractie | T1 sustraccion | T1 sottrazione | T1 SUBTRAÇÃO |
ScreenSave | Phoenix ZIP Report | t1_mp2rage_INV1_PHS | mp2rage_INV2 | t1 mp2rage T1 map | MP2RAGE INV1 ND |
PD tra | PD TSE | MOLLI | STIR cor | T2 STIR | Double Inversion Recovery | DIR 3D | T1 rho | FIESTA-C IAC | bSSFP |
b-TFE | DRIVE IAC | 3D CISS | T1 SAG COLUMNA | T1 SAG RACHIS | T2 SAG HWS | T1 LWS sag | T2 sag BWS |
T2 SAG CERVICALE | T1 rachide sag | T2 collo | T1 HALS tra | T2 SAG DORSAL SPINE | T1 SAG LUMBAR | T2 hals |
ep2d_fid_perf | T2 EPI | T2 FE ax | T2* map | T1 perf DCE GD | t1_vibe_dce_60rep | T1 VIBE dyn |
T1 fl3d dynamisch KM | Processed Images | FLAIR +C | T1 FLAIR SUB | Schnittbild MPR T1 | t1_mprage_MPR_tra |
T1 KM MPR tra | T1 cor MPR KM | MPR sag T1 post | MPR_3mm_T1 | MR T1 SCREEN SAVE | T1 fusion PET | FUSED T1 DTI |
Fibertracking | TRACTO | IRM fonctionnelle | spectroscopie | spettroscopia | espectroscopia | SPEKTROSKOPIE |
Magnetisation Transfer | MT SAT | TRUFISP loc | HASTE loc | DWI EPI b=0 1000 | TRACE | Exponential ADC | AVDC |
Diffusionsgewichtet | GRE hemo | Gradientenecho T2 | TOF angio KM | CSF drive | liquor flow | 4D flow | cine PC |
AX FLAIR T2 | Axial T2 FLAIR | AXIAL FLAIR | MPRAGE COR REFORMAT | AX FLAIR POST GAD | AX T2 FLAIR FS |
FLAIR AX 5MM | AX T2 GRE | AX GRE T2* | AX GRADIENT ECHO | T2 GRE AX | AX T2 GRAD | AX DIFFUSION | DWI AX | AX ADC |
ADC MAP AX | EXP ADC | TRACE AX | DTI AX 31 | PERFUSION AX | AX PERF | DSC PERF AX | PERF GAD | EPI PERFUSION GD |
AX T2* PERFUSION +C | DYNAMIC SUSCEPTIBILITY | GRE PERFUSION | TOF MRA COW | MRA HEAD W/O | COW TOF | MRV POST |
3D TOF POST GAD | MIP MRA | SCOUT | 3 PLANE | 3PLANE LOC SSFSE | SAG LOC | CAL | MRS PRESS | MRSI 35 | 2D CSI |
SINGLE VOXEL 144 | fMRI TAPPING | BOLD | SUB AX T1 | T1 SUBTRACTED | AX T1 POST SUB | T1 POST COR REFORMAT |
REFORMATTED COR T1 POST | COR MPR POST GAD | SAG MPR | MPR AX T1 +C | Reformats T1 POST | T1 POST MIP |
PROCESSED IMAGES | SCREENSAVE | AX STIR | COR STIR | AX PD | AX PROTON DENSITY | T1 C-SPINE | SAG T2 CERVICAL |
T1 SAG L-SPINE | ORBITS STIR | AX SWI | SWI MIP | SWI PHASE | AX SWAN MINIP | CINE CSF | PHASE CONTRAST CSF |
FIESTA IAC | CISS IAC | B0 FIELD MAP | rCBV MAP | KTRANS | T1 DYNAMIC POST | DCE AX T1 | T1 PERMEABILITY |
T2 GRAD ECHO
)";

constexpr std::string_view kDoubt = R"(
T1 W WO | T1 +/-C | T1 with and without contrast | T1 pre & post | T1 avant/après gado | T1 vor/nach KM |
AX T1 FS W | T2 mapping | T2 map SAGE | T1 mit und ohne KM | T1 avec et sans gado | T1 con y sin contraste |
T1 met en zonder contrast | T1 ohne/mit KM
)";

TEST(RoleNamesOfOtherSites, T1) { ExpectAllNames(kT1, Role::kT1, 163); }
TEST(RoleNamesOfOtherSites, T1WithContrast) { ExpectAllNames(kT1WithContrast, Role::kT1ce, 202); }
TEST(RoleNamesOfOtherSites, T2) { ExpectAllNames(kT2, Role::kT2, 95); }
TEST(RoleNamesOfOtherSites, Neither) { ExpectAllNames(kNeither, Role::kNone, 279); }
TEST(RoleNamesOfOtherSites, Doubt) { ExpectAllNames(kDoubt, Role::kUnsure, 14); }

}  // namespace
}  // namespace glionode::dicom
